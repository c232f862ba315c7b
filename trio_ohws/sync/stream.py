"""What a thread reads: the events of a subscription, and messages by the list."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Generic, Self, TypeVar

import trio

from trio_ohws.errors import EndOfMessages
from trio_ohws.events.model import Message
from trio_ohws.events.queue import QueueStatistics
from trio_ohws.events.stream import EventStream as AsyncEventStream
from trio_ohws.sync.portal import SocketThread

__all__ = ["EventStream", "MessageBatches"]

T = TypeVar("T")


class EventStream(Generic[T]):
    """The events of one type, from `WebSocket.subscribe` on, for one thread.

    ``with`` it to leave it in time, ``for`` over it. A stream of messages ends with the connection; the
    others live until they or the socket are left. What waits in it then can still be received.

    Source: beyond OHOS.
    """

    def __init__(self, thread: SocketThread, stream: AsyncEventStream[T]) -> None:
        self._thread = thread
        self._stream = stream
        self._kept: deque[T] = deque()  # received for a call that was interrupted

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        try:
            return self.receive()
        except trio.EndOfChannel:
            raise StopIteration from None

    def receive(self, *, timeout: float | None = None) -> T:
        """Return the next event's payload, waiting for it if need be.

        Args:
            timeout: seconds to wait; None (the default) for as long as it takes.

        Raises:
            TimeoutError: there was none in time.
            trio.EndOfChannel: the connection (for messages) or the socket has ended, and all was received.
            trio.BusyResourceError: another thread waits already.
            trio.ClosedResourceError: this stream was left.
            RuntimeError: the socket is not entered.

        If interrupted:
            Nothing is lost: the next call returns it.
        """
        while True:
            with suppress(IndexError):
                return self._kept.popleft()
            if self._thread.over:
                return self._stream.receive_nowait()
            self._thread.run(self._fetch, timeout)

    async def _fetch(self) -> None:
        self._kept.append(await self._stream.receive())

    def receive_nowait(self) -> T:
        """Return the next event's payload, if it is there.

        Raises:
            trio.WouldBlock: it is not.
            trio.EndOfChannel: as `receive`.
            trio.ClosedResourceError: as `receive`.
        """
        with suppress(IndexError):
            return self._kept.popleft()
        return self._thread.call(self._stream.receive_nowait)

    def statistics(self) -> QueueStatistics:
        """Return what is in it now, its limits and its losses."""
        return self._thread.call(self._stream.statistics)

    def close(self) -> None:
        """Leave: what is queued is forgotten, and a reader that waits for room here goes on."""
        self._kept.clear()
        if not self._thread.over:
            self._thread.run(self._stream.aclose, waits=False)


class MessageBatches(Iterator[list[Message]]):
    """The iterator that `WebSocket.batches` returns."""

    def __init__(self, receive: Callable[[], list[Message]]) -> None:
        self._receive = receive

    def __next__(self) -> list[Message]:
        """Return all messages that are ready, waiting for one if need be; see `WebSocket.receive`."""
        try:
            return self._receive()
        except EndOfMessages:
            raise StopIteration from None
