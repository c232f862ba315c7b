"""The server's part of one connection, played by a test."""

import zlib
from collections.abc import AsyncIterator, Iterable
from typing import Final

import trio

from trio_ohws.errors import UNKNOWN_ERROR, BusinessError, failure
from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.testing.frames import BINARY, CONT, PING, PONG, TEXT, Frame, close_frame, frame
from trio_ohws.testing.handshake import HandshakeRequest, accepting_head, rejecting_answer
from trio_ohws.testing.hearing import ClientClose, Hearing, short
from trio_ohws.testing.link import Link
from trio_ohws.testing.violation import Violation
from trio_ohws.url import WebSocketURL

__all__ = ["ClientGone", "MemoryPeer"]

BUFFER_SIZE: Final = 64 * 1024
"""Bytes that may wait for the client to read them before the peer's sending waits."""

_DEFLATE: Final = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


class ClientGone(trio.BrokenResourceError):
    """The client is not there any more: it asks for nothing, and nothing can be sent to it."""


class MemoryPeer(Hearing, AsyncIterator[str | bytes]):
    """A server, as one connection of the client sees it; a `MemoryNetwork` makes it.

    Nothing has been decided at first: the client waits for its connection. `refuse` fails that; `accept`,
    `reject` and everything else that needs a connection open it. From then on pings and Close are answered
    without the test's doing, in the moment in which the client sends them.

    Attributes:
        url: where the client wants to go, normalised.
        options: with what options: proxy, certificates and all. No part of them is acted upon.
        dialled_at: Trio's time at which it began to.
        request: what it asked for, once `read_request`, `accept` or `reject` has seen it.
        received: every message of the client, in order.
        frames: every frame of the client, control frames and pieces of messages too.
        closed: how the client ended the connection, or None.
        answers_pings: whether pings are answered; may be set at any time.
        answers_close: whether the client's Close is answered, and followed by EOF; may be set at any time.
        patience: seconds for which methods that wait for the client do so before they fail.
    """

    def __init__(
        self, link: Link, url: WebSocketURL, options: WebSocketRequestOptions, patience: float
    ) -> None:
        super().__init__(link, f"{url.host} port {url.port}", patience)
        self.url: str = str(url)
        self.options: WebSocketRequestOptions = options
        self.dialled_at: float = trio.current_time()
        self._taken = 0  # messages that were handed out
        self._frames_taken = 0

    def __repr__(self) -> str:
        return f"<MemoryPeer for {self._server}>"

    @property
    def latency(self) -> float:
        """Seconds by which what is sent from now on reaches the client later."""
        return self._link.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._link.latency = seconds

    # The handshake

    def refuse(self, why: str | None = None) -> None:
        """Let the connection itself fail, before any handshake: the client's error is 2302999 with data "0".

        Args:
            why: what the message says; that the server refused the connection if None.

        Raises:
            RuntimeError: the connection is open, or refused already.
        """
        if self._link.decided.is_set():
            raise RuntimeError(f"{self!r}: whether there is a connection was decided already")
        error = failure(UNKNOWN_ERROR, why or f"connection refused by {self._server}", "0")
        error.__cause__ = ConnectionRefusedError(why or "connection refused")
        self._decide(error)

    async def read_request(self) -> HandshakeRequest:
        """Wait for the client's request, and answer nothing; opens the connection.

        Returns:
            The request, which is `request` from now on.

        Raises:
            ClientGone: the client gave up.
            AssertionError: it sent none in time.

        If cancelled:
            The request is not lost.
        """
        self._open()
        await self._wait(lambda: self.request is not None or self.closed is not None, "request")
        if self.request is None:
            raise ClientGone(self._story())
        return self.request

    async def accept(
        self,
        *,
        subprotocol: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        compression: bool = False,
        then: bytes = b"",
    ) -> HandshakeRequest:
        """Wait for the client's request, and upgrade.

        Args:
            subprotocol: what to choose; None for none.
            headers: further headers of the answer; one that the answer has anyway is replaced.
            compression: whether to agree on permessage-deflate, without context takeover. Messages of the
                client are inflated then; `send` can compress.
            then: bytes that the client gets in the same read as the answer.

        Returns:
            The request.

        Raises:
            ClientGone: the client gave up.
            AssertionError: it sent no request in time.

        If cancelled:
            Nothing was answered.
        """
        request = await self.read_request()
        chosen = [("Sec-WebSocket-Protocol", subprotocol)] if subprotocol is not None else []
        agreed = [("Sec-WebSocket-Extensions", _DEFLATE)] if compression else []
        self._upgraded = True
        self._link.push(accepting_head(request, [*chosen, *agreed, *headers]) + then)
        return request

    async def reject(
        self, status: int = 403, *, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> HandshakeRequest:
        """Wait for the client's request, answer it with an HTTP status, and close.

        Args:
            status: from 200 to 599.
            headers: of the answer, ``Retry-After`` for instance.
            body: of the answer.

        Returns:
            The request.

        Raises:
            ClientGone: the client gave up.
            AssertionError: it sent no request in time.

        If cancelled:
            Nothing was answered.
        """
        request = await self.read_request()
        self._link.push(rejecting_answer(status, headers, body))
        self._link.push_eof()
        return request

    # Sending

    async def send(self, message: str | bytes, *, compress: bool = False) -> None:
        """Send a message: str as text, bytes as binary.

        Args:
            message: of any size.
            compress: whether to deflate it; the client must have been accepted with compression.

        Raises:
            ClientGone: the client has left.
            trio.ClosedResourceError: the connection was ended by `drop`, `reset` or `reject`.
            AssertionError: the client does not read: `BUFFER_SIZE` bytes wait for it, and that for too long.

        If cancelled:
            The message was not sent.
        """
        payload = message.encode() if isinstance(message, str) else message
        opcode = TEXT if isinstance(message, str) else BINARY
        await self.send_raw(frame(opcode, _deflated(payload) if compress else payload, rsv1=compress))

    async def send_fragments(self, *pieces: str | bytes) -> None:
        """Send one message in as many frames as there are pieces; otherwise as `send`.

        Args:
            pieces: at least one; the message is text if the first one is str.
        """
        opcodes = [TEXT if isinstance(pieces[0], str) else BINARY] + [CONT] * (len(pieces) - 1)
        frames = [frame(opcode, piece, fin=False) for opcode, piece in zip(opcodes, pieces, strict=True)]
        last = frame(opcodes[-1], pieces[-1])
        await self.send_raw(b"".join([*frames[:-1], last]))

    async def send_raw(self, *chunks: bytes) -> None:
        """Send bytes, whatever they are; otherwise as `send`.

        Args:
            chunks: the client gets each of them in a read of its own. `frame` and `close_frame` make frames.
        """
        for chunk in chunks:
            await self._wait(
                lambda: self._link.unread < BUFFER_SIZE or self._link.closed, "sign that the client reads"
            )
            if self._link.closed or (self._link.ended and self.closed is not None):
                raise ClientGone(self._story())
            if self._link.ended:
                raise trio.ClosedResourceError("the test has ended this connection itself")
            self._open()
            self._link.push(chunk)

    async def violate(self, violation: Violation) -> None:
        """Break the protocol; otherwise as `send`.

        Args:
            violation: how.
        """
        await self.send_raw(violation.data)

    async def ping(self, payload: bytes = b"") -> float:
        """Send a ping and wait for its pong.

        Returns:
            Seconds that this took.

        Raises:
            ClientGone: the client has left.
            AssertionError: there was no pong in time.

        If cancelled:
            The ping may have been sent.
        """
        started, mark = trio.current_time(), len(self.frames)
        await self.send_raw(frame(PING, payload))
        await self._wait(lambda: Frame(PONG, payload) in self.frames[mark:], "pong")
        return trio.current_time() - started

    # Receiving

    async def receive(self) -> str | bytes:
        """Return the client's next message.

        Raises:
            AssertionError: the client ended the connection, or sent none in time; the text tells what it did.

        If cancelled:
            No message is lost.
        """
        await self._wait(lambda: self._taken < len(self.received) or self.closed is not None, "message")
        if self._taken == len(self.received):
            raise AssertionError(f"no message any more: {self._story()}")
        self._taken += 1
        return self.received[self._taken - 1]

    async def __anext__(self) -> str | bytes:
        """Return the client's next message, however long it takes; the iteration ends with the connection."""
        await trio.lowlevel.checkpoint()
        while self._taken == len(self.received):
            if self.closed is not None:
                raise StopAsyncIteration
            await self._changed.wait()
        self._taken += 1
        return self.received[self._taken - 1]

    async def expect(self, *messages: str | bytes) -> None:
        """Receive as many messages as are given, and make sure that they are these.

        Raises:
            AssertionError: the client sent something else, ended the connection, or was silent for too long.
        """
        for message in messages:
            received = await self.receive()
            if received != message:
                raise AssertionError(f"{short(received)} is not {short(message)}: {self._story()}")

    async def receive_frame(self) -> Frame:
        """Return the client's next frame, whatever it is; what `receive` returns is counted apart.

        Raises:
            AssertionError: the client ended the connection, or sent none in time.
        """
        await self._wait(lambda: self._frames_taken < len(self.frames) or self._link.closed, "frame")
        if self._frames_taken == len(self.frames):
            raise AssertionError(f"no frame any more: {self._story()}")
        self._frames_taken += 1
        return self.frames[self._frames_taken - 1]

    async def wait_closed(self) -> ClientClose:
        """Wait until the client closes or leaves.

        Returns:
            How it did so, which is `closed` from now on.

        Raises:
            AssertionError: it did not in time.
        """
        await self._wait(lambda: self.closed is not None, "Close")
        assert self.closed is not None
        return self.closed

    # Ending

    async def close(self, code: int | None = 1000, reason: str = "") -> ClientClose:
        """Close politely: send Close, wait for the client's answer, then end the connection.

        Args:
            code: from 1000 to 4999; None for an empty Close frame.
            reason: at most 123 bytes of UTF-8.

        Returns:
            The client's answer.

        Raises:
            ClientGone: the client has left.
            AssertionError: there was no answer in time.

        If cancelled:
            The Close frame may have been sent; then the connection ends with the client's answer.
        """
        await self.send_raw(close_frame(code, reason))
        self._close_sent = True
        return await self.wait_closed()

    def drop(self) -> None:
        """End the connection without a word: the client reads EOF, after what was sent before."""
        self._open()
        self._link.push_eof()

    def reset(self) -> None:
        """Break the connection: the client's reads and writes fail, and what was under way is lost."""
        self._open()
        self._link.reset()

    def stall(self) -> None:
        """Let nothing pass that is sent from now on, in either direction: a cable was pulled, unnoticed."""
        self._open()
        self._link.stall()

    def resume(self) -> None:
        """Let everything pass again, what has waited first."""
        self._link.resume()

    # Inside

    def _open(self) -> None:
        if not self._link.decided.is_set():
            self._decide(None)

    def _decide(self, refusal: BusinessError | None) -> None:
        self._link.refusal = refusal
        self._link.decided.set()


def _deflated(payload: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(
        b"\x00\x00\xff\xff"
    )
