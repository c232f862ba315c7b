"""What a peer hears of its client, and what it answers by reflex."""

import reprlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import trio

from trio_ohws.testing.frames import CLOSE, PING, PONG, TEXT, Frame, frame, parse_frames
from trio_ohws.testing.handshake import HandshakeRequest, parse_request
from trio_ohws.testing.link import Link

__all__ = ["ClientClose", "Hearing", "short"]

_NO_CODE: Final = 1005
_NO_CLOSE: Final = 1006

_brief: Final = reprlib.Repr()
_brief.maxstring = _brief.maxother = 200  # the latter is for bytes
_brief.maxlist = 20


@dataclass(frozen=True, slots=True)
class ClientClose:
    """How the client ended the connection.

    Attributes:
        code: that of its Close frame; 1005 if that was empty, 1006 if there was none.
        reason: the words that came with it.
    """

    code: int
    reason: str = ""


class Hearing:
    """Takes in what the client writes, in the moment in which it does; `MemoryPeer` documents the attributes.

    Args:
        link: where the client is.
        server: what texts call the server.
        patience: seconds.
    """

    def __init__(self, link: Link, server: str, patience: float) -> None:
        self.request: HandshakeRequest | None = None
        self.received: list[str | bytes] = []
        self.frames: list[Frame] = []
        self.closed: ClientClose | None = None
        self.answers_pings: bool = True
        self.answers_close: bool = True
        self.patience: float = patience
        self._link = link
        link.hear, link.changed = self._hear, self._look
        self._server = server
        self._changed = trio.Event()
        self._heard = b""
        self._upgraded = False
        self._close_sent = False
        self._pieces: list[Frame] = []

    def _hear(self, data: bytes) -> None:
        """Take in what the client wrote, and answer what asks for an answer."""
        self._heard += data
        if self.request is None and b"\r\n\r\n" in self._heard:
            head, _, self._heard = self._heard.partition(b"\r\n\r\n")
            self.request = parse_request(head)
        if self._upgraded:
            frames, self._heard = parse_frames(self._heard)
            for one in frames:
                self._hear_frame(one)
        self._tell()

    def _hear_frame(self, one: Frame) -> None:
        self.frames.append(one)
        if one.opcode == PING:
            if self.answers_pings:
                self._link.push(frame(PONG, one.payload))
        elif one.opcode == CLOSE:
            self._hear_close(one)
        elif one.opcode != PONG:
            self._pieces.append(one)
            if one.fin:
                self.received.append(_message(self._pieces))
                self._pieces = []

    def _hear_close(self, one: Frame) -> None:
        code = int.from_bytes(one.payload[:2], "big") if one.payload else _NO_CODE
        self.closed = self.closed or ClientClose(code, one.payload[2:].decode())
        if self.answers_close and not self._close_sent:
            self._link.push(frame(CLOSE, one.payload))
        if self.answers_close or self._close_sent:
            self._link.push_eof()

    def _look(self) -> None:
        if self._link.closed:
            self.closed = self.closed or ClientClose(_NO_CLOSE)
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _wait(self, ready: Callable[[], bool], what: str) -> None:
        with trio.move_on_after(self.patience):
            await trio.lowlevel.checkpoint()
            while not ready():
                await self._changed.wait()
            return
        raise AssertionError(f"no {what} for {self.patience:g} seconds: {self._story()}")

    def _story(self) -> str:
        """Say what the client did, for somebody who wonders why a test failed."""
        sent = f"sent {short(self.received)}" if self.received else "sent no message"
        if self.closed is None:
            end = "is still there"
        elif self.closed.code == _NO_CLOSE:
            end = "left without a Close"
        else:
            end = f"closed with {self.closed.code} {self.closed.reason!r}"
        return f"the client of {self._server} {sent}, and {end}"


def short(value: object) -> str:
    """Return a repr for a message, not too long."""
    return _brief.repr(value)


def _message(pieces: list[Frame]) -> str | bytes:
    payload = b"".join(piece.payload for piece in pieces)
    if pieces[0].rsv1:
        payload = zlib.decompress(payload + b"\x00\x00\xff\xff\x03\x00", wbits=-15)
    return payload.decode() if pieces[0].opcode == TEXT else payload
