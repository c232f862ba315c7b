"""Foreign codecs as oracles: what websockets and wsproto make of the same bytes, in our words."""

from typing import Literal, NamedTuple, Protocol

import websockets.frames
import websockets.protocol
import wsproto.connection
import wsproto.events
import wsproto.extensions
from websockets.extensions.permessage_deflate import PerMessageDeflate

from tests.scripted_peer import PING, PONG
from trio_ohws._wire.decoder import Control, Message

__all__ = ["AGREEMENTS", "Agreement", "End", "Event", "Oracle", "Side", "Websockets", "Wsproto"]

Event = Message | Control
Side = Literal["client", "server"]

TOO_BIG = "over the limit that the oracle's user keeps"


class End(NamedTuple):
    """How a conversation ended: by a Close frame, or because the peer was refused; in whose words."""

    how: Literal["closed", "refused"]
    code: int
    words: str


class Agreement(NamedTuple):
    """What was agreed on permessage-deflate; the same for both sides."""

    takeover: bool = True
    bits: int = 15

    @property
    def answer(self) -> str:
        """The server's words for it."""
        parts = ["permessage-deflate"]
        for side in ("server", "client"):
            parts += [] if self.takeover else [f"{side}_no_context_takeover"]
            parts += [] if self.bits == 15 else [f"{side}_max_window_bits={self.bits}"]
        return "; ".join(parts)


AGREEMENTS = (None, Agreement(), Agreement(takeover=False), Agreement(bits=9))


class Oracle(Protocol):
    """A foreign codec."""

    told: list[Event]
    end: End | None

    def receive(self, data: bytes) -> None:
        """Take in the next bytes; nothing is told of what comes behind an end."""


class Websockets:
    """websockets' sans-I/O protocol. Its connections decode text when the message is complete; so does this.

    Without compression it keeps the limit itself. With it we count, as its own count is another (see below).
    """

    def __init__(self, side: Side, agreement: Agreement | None, limit: int) -> None:
        self.protocol = websockets.protocol.Protocol(
            websockets.protocol.CLIENT if side == "client" else websockets.protocol.SERVER,
            max_size=None if agreement else limit,
        )
        if agreement:
            lost, bits = not agreement.takeover, agreement.bits
            self.protocol.extensions = [PerMessageDeflate(lost, lost, bits, bits)]
        self.limit = limit
        self.told: list[Event] = []
        self.end: End | None = None
        self.text = False
        self.message = b""

    def receive(self, data: bytes) -> None:
        if self.end is not None:
            return
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            assert isinstance(event, websockets.frames.Frame)
            self._take(event)
            if self.end is not None:
                return
        error, close = self.protocol.parser_exc, self.protocol.close_sent
        if error is not None:
            assert close is not None
            self.end = End("refused", close.code, f"{type(error).__name__}: {error}")

    def _take(self, frame: websockets.frames.Frame) -> None:
        payload = bytes(frame.data)
        if frame.opcode is websockets.frames.Opcode.CLOSE:
            close = self.protocol.close_rcvd
            assert close is not None
            self.end = End("closed", close.code, close.reason)
        elif frame.opcode in {websockets.frames.Opcode.PING, websockets.frames.Opcode.PONG}:
            self.told.append(Control(frame.opcode, payload))
        else:
            if frame.opcode is not websockets.frames.Opcode.CONT:
                self.text, self.message = frame.opcode is websockets.frames.Opcode.TEXT, b""
            self.message += payload
            if len(self.message) > self.limit:
                self.end = End("refused", 1009, TOO_BIG)
            elif frame.fin:
                self._finish()

    def _finish(self) -> None:
        try:
            self.told.append(self.message.decode() if self.text else self.message)
        except UnicodeDecodeError as error:
            self.end = End("refused", 1007, str(error))


class Wsproto:
    """wsproto. It knows no limit: its users count what it tells, and so do we."""

    def __init__(self, side: Side, agreement: Agreement | None, limit: int) -> None:
        extensions: list[wsproto.extensions.Extension] = []
        if agreement:
            extensions.append(deflate := wsproto.extensions.PerMessageDeflate())
            deflate.finalize(agreement.answer)
        kind = wsproto.connection.CLIENT if side == "client" else wsproto.connection.SERVER
        self.connection = wsproto.connection.Connection(kind, extensions)
        self.limit = limit
        self.told: list[Event] = []
        self.end: End | None = None
        self.message = b""

    def receive(self, data: bytes) -> None:
        if self.end is not None:
            return
        self.connection.receive_data(data)
        for event in self.connection.events():
            self._take(event)
            if self.end is not None:
                return

    def _take(self, event: wsproto.events.Event) -> None:
        match event:
            case wsproto.events.Ping():
                self.told.append(Control(PING, bytes(event.payload)))
            case wsproto.events.Pong():
                self.told.append(Control(PONG, bytes(event.payload)))
            case wsproto.events.CloseConnection():
                closed = self.connection.state is wsproto.connection.ConnectionState.REMOTE_CLOSING
                self.end = End("closed" if closed else "refused", int(event.code), event.reason or "")
            case wsproto.events.TextMessage() | wsproto.events.BytesMessage():
                text = isinstance(event, wsproto.events.TextMessage)
                self.message += event.data.encode() if isinstance(event.data, str) else event.data
                if len(self.message) > self.limit:
                    self.end = End("refused", 1009, TOO_BIG)
                elif event.message_finished:
                    self.told.append(self.message.decode() if text else self.message)
                    self.message = b""
