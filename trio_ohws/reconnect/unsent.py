"""What was to be sent, and is not with the operating system yet."""

import math
from collections import deque

from trio_ohws.nursery.outbox import Outbox

__all__ = ["Frame", "Unsent"]

Frame = tuple[int, bytes]  # opcode and payload

_HEADER_SIZE = 14  # bytes at most; and so messages of no bytes count, too


class Unsent:
    """The messages that the next connection has to send, if this one does not.

    What a connection has taken is remembered by its place in that connection's outbox until it is written.

    Args:
        limit: bytes from which on nothing more is kept.
    """

    __slots__ = ("_limit", "_size", "_taken", "_waiting", "_watching")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Frame] = deque()
        self._size = 0  # of those that wait
        self._taken: deque[tuple[float, Frame]] = deque()  # where in the outbox each ends
        self._watching = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether nothing more is to be kept."""
        return self._size >= self._limit

    def keep(self, frame: Frame) -> None:
        """Keep a message for the next connection."""
        self._waiting.append(frame)
        self._size += len(frame[1]) + _HEADER_SIZE

    def taken(self, frame: Frame, outbox: Outbox) -> None:
        """Remember that `outbox` has just taken a message, and has not written it in full."""
        # Should it have died of it, then nobody knows how much was written, if anything.
        self._taken.append((outbox.position if outbox.failure is None else math.inf, frame))
        self._watch(outbox)

    def _watch(self, outbox: Outbox) -> None:
        if not self._watching and outbox.failure is None:
            self._watching = True
            outbox.mark(outbox.position, lambda: self._written(outbox))

    def _written(self, outbox: Outbox) -> None:
        """All that was queued when this began to watch is written, or the outbox is dead."""
        self._watching = False
        while self._taken and self._taken[0][0] <= outbox.written:
            self._taken.popleft()
        if self._taken:
            self._watch(outbox)

    def replay(self, outbox: Outbox) -> None:
        """Hand all that waits to a new connection, in order."""
        while self._waiting and not outbox.refusing:
            frame = self._waiting.popleft()
            self._size -= len(frame[1]) + _HEADER_SIZE
            outbox.offer(*frame, always=True)
            if outbox.queued or outbox.failure is not None:
                self.taken(frame, outbox)

    def take_back(self) -> None:
        """The connection's outbox is dead: what it took and did not write waits again, before the rest."""
        while self._taken:
            frame = self._taken.pop()[1]
            self._waiting.appendleft(frame)
            self._size += len(frame[1]) + _HEADER_SIZE
