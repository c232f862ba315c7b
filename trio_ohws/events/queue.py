"""A bounded queue between the reader, which must not wait inline, and one consumer, which may."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar, get_args

import outcome
import trio
from trio.lowlevel import checkpoint_if_cancelled

__all__ = ["OVERFLOWS", "TURN", "BoundedQueue", "Overflow", "QueueStatistics"]

T = TypeVar("T")

Overflow = Literal["wait", "drop_oldest", "drop_newest", "latest", "close"]
OVERFLOWS: Final[tuple[str, ...]] = get_args(Overflow)

# Steps between two turns for the scheduler, when there is always something ready. Trio's rule is a
# checkpoint at each; one costs 3 µs, ten times the message. Cancellation is checked at every step.
TURN: Final = 64

_SIZED: Final = (str, bytes)


@dataclass(frozen=True, slots=True)
class QueueStatistics:
    """A moment in the life of a queue.

    Attributes:
        items: waiting now.
        size: their bytes (of text: characters) now.
        max_items: the limit of `items`.
        max_bytes: the limit of `size`.
        dropped: how many were lost to the overflow policy.
    """

    items: int
    size: int
    max_items: int
    max_bytes: int
    dropped: int


class BoundedQueue(Generic[T]):
    """One producer that never waits inside a call, one consumer that may.

    It is full from `max_items`, or from `max_bytes`; so one item may reach over the limit in bytes.

    Args:
        max_items: items that it holds, at least 1.
        max_bytes: bytes (of text: characters) that it holds, at least 1.
        overflow: what becomes of an item that comes when it is full.
        on_overflow: called for such an item if `overflow` is "close".
    """

    __slots__ = (
        "_dropped",
        "_end",
        "_items",
        "_max_bytes",
        "_max_items",
        "_on_overflow",
        "_overflow",
        "_room",
        "_room_at",
        "_size",
        "_takes_all",
        "_waiter",
    )

    def __init__(
        self,
        max_items: int,
        max_bytes: int,
        overflow: Overflow = "wait",
        on_overflow: Callable[[], object] | None = None,
    ) -> None:
        self._max_items = 1 if overflow == "latest" else max_items
        self._max_bytes = max_bytes
        self._overflow: Overflow = "drop_oldest" if overflow == "latest" else overflow
        self._on_overflow = on_overflow
        self._items: deque[T] = deque()
        self._size = 0
        self._dropped = 0
        self._end: Callable[[], Exception] | None = None
        self._waiter: trio.lowlevel.Task | None = None  # the consumer
        self._takes_all = False  # the consumer that waits does
        self._room: trio.Event | None = None  # what the producer waits for
        self._room_at = -1  # from this many items down it may get it; -1: it does not wait

    def __len__(self) -> int:
        return len(self._items)

    def statistics(self) -> QueueStatistics:
        """Return what is in it now, its limits and its losses."""
        return QueueStatistics(len(self._items), self._size, self._max_items, self._max_bytes, self._dropped)

    # The producer's side

    def offer(self, item: T) -> bool:
        """Take `item` in, or lose something to the overflow policy; False if the producer has to wait."""
        if self._end is not None:
            return True
        while len(self._items) >= self._max_items or self._size >= self._max_bytes:
            if self._overflow == "wait":
                return False
            self._dropped += 1
            if self._overflow != "drop_oldest":
                if self._overflow == "close" and self._on_overflow is not None:
                    self._on_overflow()
                return True
            self.pop()
        self.put(item)
        return True

    def put(self, item: T) -> None:
        """Take `item` in whatever the limits; it is lost only if the queue has ended."""
        if self._end is None:
            self._items.append(item)
            self._size += _size_of(item)
            self._wake()

    def fill(self, items: list[T], start: int) -> int:
        """Take in `items` from `start` on, as far as there is room; return where the rest begins.

        For a consumer that waits, and takes all, there is: nothing will be left here.
        """
        passes = self._waiter is not None and self._takes_all
        # `put` may have gone over the limit.
        room = len(items) if passes else max(0, self._max_items - len(self._items))
        taken = items[start : start + room]
        size = sum(map(len, taken))  # type: ignore[arg-type]  # only messages come in numbers
        if passes or self._size + size < self._max_bytes:
            self._items.extend(taken)
            self._size += size
            self._wake()
            return start + len(taken)
        for index in range(start, start + len(taken)):
            if not self.offer(items[index]):
                return index
        return start + len(taken)

    async def wait_room(self) -> None:
        """Wait until half of each limit is free, or until it does not matter any more (see `nudge`)."""
        event = trio.Event()
        if self.awaits_room(event):
            await event.wait()

    def awaits_room(self, event: trio.Event) -> bool:
        """Have `event` set when `wait_room` would return; False if it would at once."""
        if self._end is not None or self._has_room():
            return False
        self._room = event
        self._room_at = self._max_items // 2
        return True

    @property
    def nudged(self) -> bool:
        """Whether what was asked for by `awaits_room` has come true."""
        return self._room is None

    def nudge(self) -> None:
        """Let the producer that waits for room go on: what it holds has another place to go, or none."""
        if self._room is not None:
            self._room.set()
            self._room = None
            self._room_at = -1

    def end(self, error: Callable[[], Exception] = trio.EndOfChannel) -> None:
        """Take nothing more in; the consumer gets what is there, then `error()`, again and again."""
        if self._end is None:
            self._end = error
            self.nudge()
            self._wake()

    def abandon(self, error: Callable[[], Exception] = trio.ClosedResourceError) -> None:
        """The consumer has left: forget what is there."""
        self._end = error
        self._items.clear()
        self._size = 0
        self.nudge()
        self._wake()

    def interrupt(self, error: Exception) -> None:
        """Let the consumer that waits, if there is one, raise `error`: it would wait in vain."""
        if self._waiter is not None:
            trio.lowlevel.reschedule(self._waiter, outcome.Error(error))
            self._waiter = None

    # The consumer's side

    def pop(self) -> T:
        """Take the next item out, which must be there."""
        item = self._items.popleft()
        self._size -= _size_of(item)
        if len(self._items) <= self._room_at and self._has_room():
            self.nudge()
        return item

    async def receive(self) -> T:
        """Take the next item out, waiting for it if need be.

        In any case check for cancellation, and give others their turn, before anything is taken out.

        Raises:
            trio.BusyResourceError: another task waits.
            Exception: the queue ended.

        If cancelled:
            Nothing was taken out.
        """
        await self._ready()
        return self.pop()

    async def __anext__(self) -> T:
        """Take the next item out, as `receive`; a queue that ended as a channel does ends the iteration.

        One coroutine and no other call: each would be a tenth of what a step costs.
        """
        items = self._items
        if len(items) % TURN:  # see _ready
            await checkpoint_if_cancelled()
        else:
            try:
                await self._ready()
            except trio.EndOfChannel:
                raise StopAsyncIteration from None
        item = items.popleft()
        if self._size:
            self._size -= len(item)  # type: ignore[arg-type]  # what adds to the size has a length
        if len(items) <= self._room_at and self._has_room():
            self.nudge()
        return item

    async def receive_batch(self) -> list[T]:
        """Take all items out, waiting for one if need be; see `receive`."""
        await self._ready(takes_all=True)
        return self.take_all()

    def take_all(self) -> list[T]:
        """Take all items out that are there."""
        batch = list(self._items)
        self._items.clear()
        self._size = 0
        self.nudge()
        return batch

    def restore(self, items: list[T]) -> None:
        """Put items back at the head, whatever the limits, and though the queue may have ended."""
        self._items.extendleft(reversed(items))
        self._size += sum(map(_size_of, items))
        self._wake()

    def receive_nowait(self) -> T:
        """Take the next item out.

        Raises:
            trio.WouldBlock: there is none now.
            Exception: the queue ended.
        """
        if self._items:
            return self.pop()
        if self._end is not None:
            raise self._end()
        raise trio.WouldBlock

    # Within

    async def _ready(self, *, takes_all: bool = False) -> None:
        """Check for cancellation and give others their turn; wait until there is an item."""
        if self._waiter is not None:
            raise trio.BusyResourceError("another task is already waiting for the next one")
        # While others have no turn nothing is put in, so the length passes each multiple of TURN.
        if len(self._items) % TURN or not self._items:
            await checkpoint_if_cancelled()
        else:
            await trio.lowlevel.checkpoint()
        while not self._items:
            if self._end is not None:
                raise self._end()
            if self._waiter is not None:
                raise trio.BusyResourceError("another task is already waiting for the next one")
            self._waiter = trio.lowlevel.current_task()
            self._takes_all = takes_all
            await trio.lowlevel.wait_task_rescheduled(self._abort)

    def _has_room(self) -> bool:
        return len(self._items) <= self._max_items // 2 and self._size <= self._max_bytes // 2

    def _wake(self) -> None:
        if self._waiter is not None:
            trio.lowlevel.reschedule(self._waiter)
            self._waiter = None

    def _abort(self, _raise_cancel: Callable[[], Any]) -> trio.lowlevel.Abort:
        self._waiter = None
        return trio.lowlevel.Abort.SUCCEEDED


def _size_of(item: object) -> int:
    return len(item) if isinstance(item, _SIZED) else 0
