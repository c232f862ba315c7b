"""A subscription that is read like a channel."""

from collections.abc import Callable
from typing import TypeVar

import trio

from trio_ohws.events.queue import BoundedQueue, Overflow

__all__ = ["EventStream"]

T = TypeVar("T")


class EventStream(BoundedQueue[T], trio.abc.ReceiveChannel[T]):
    """The events of one type, from `WebSocket.subscribe` on, for one consumer.

    ``async with`` it to leave it in time, ``async for`` over it. A stream of messages ends with the
    connection; the others live until they or the socket are left.

    Source: beyond OHOS.
    """

    __slots__ = ("_on_leave",)

    def __init__(
        self,
        max_items: int,
        max_bytes: int,
        overflow: Overflow,
        on_overflow: Callable[[], object],
        on_leave: Callable[["EventStream[T]"], object],
    ) -> None:
        super().__init__(max_items, max_bytes, overflow, on_overflow)
        self._on_leave = on_leave

    async def receive(self) -> T:
        """Return the next event's payload, waiting for it if need be.

        Raises:
            trio.EndOfChannel: the connection (for messages) or the socket has ended, and all was received.
            trio.BusyResourceError: another task waits already.
            trio.ClosedResourceError: this stream was left.

        If cancelled:
            Nothing is lost: the next call returns it.
        """
        return await super().receive()

    async def aclose(self) -> None:
        """Leave: what is queued is forgotten, and a reader that waits for room here goes on.

        If cancelled:
            The stream is left all the same.
        """
        self._on_leave(self)
        self.abandon()
        await trio.lowlevel.checkpoint()
