"""A new connection, in the hands of who has to greet the server."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from trio_ohws.events.model import Message, ResponseHeaders
from trio_ohws.websocket import Data, WebSocket

__all__ = ["Connection", "Ways"]


class _Inbox(Protocol):
    async def receive(self) -> Message:
        """Return the next message."""


@dataclass(frozen=True, slots=True)
class Ways:
    """What leads past everything that a reconnecting socket keeps.

    Attributes:
        send: to the connection, before what was kept.
        flush: the connection.
        inbox: where the connection's own messages wait.
    """

    send: Callable[[Data], Awaitable[bool]]
    flush: Callable[[], Awaitable[None]]
    inbox: Callable[[], _Inbox]


class Connection:
    """What `on_connected` gets: this one connection, past all that waits to be sent or received.

    It is of use until `on_connected` returns.

    Attributes:
        attempt: the number of the attempt that led to it, from 1 on.
    """

    __slots__ = ("_ways", "_ws", "attempt")

    def __init__(self, ws: WebSocket, attempt: int, ways: Callable[[], Ways]) -> None:
        self._ws = ws
        self._ways = ways
        self.attempt: int = attempt

    async def send(self, data: Data) -> bool:
        """Send a message over this connection, before all that was kept for it; see `WebSocket.send`.

        Args:
            data: as in `WebSocket.send`.

        Returns:
            True: the message is queued.

        Raises:
            BusinessError: as `WebSocket.send`. It is not kept for the next connection.
            RuntimeError: `on_connected` has returned.

        If cancelled:
            The message was not queued.
        """
        return await self._ways().send(data)

    async def receive(self) -> Message:
        """Return the next message of this connection; who else receives gets what is left.

        Raises:
            EndOfMessages: the connection has ended, as it should.
            ConnectionLost: it has ended otherwise.
            RuntimeError: `on_connected` has returned, or a `message` callback gets the messages.

        If cancelled:
            No message is lost.
        """
        return await self._ways().inbox().receive()

    async def flush(self) -> None:
        """Wait until all that was sent is with the operating system; see `WebSocket.flush`.

        Raises:
            BusinessError: 2302999, the connection has ended.
            RuntimeError: `on_connected` has returned.

        If cancelled:
            What was queued stays queued.
        """
        await self._ways().flush()

    async def ping(self, payload: bytes | None = None) -> float:
        """Measure the round trip; see `WebSocket.ping`.

        Args:
            payload: as in `WebSocket.ping`.

        Raises:
            BusinessError: as `WebSocket.ping`.
            RuntimeError: `on_connected` has returned.

        If cancelled:
            The connection stays usable.
        """
        self._ways()
        return await self._ws.ping(payload)

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server chose, or None."""
        return self._ws.subprotocol

    @property
    def response_headers(self) -> ResponseHeaders:
        """The headers of the server's answer."""
        return self._ws.response_headers
