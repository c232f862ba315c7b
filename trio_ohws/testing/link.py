"""The line between a client and a peer in memory, with all that can go wrong with a line."""

import math
from collections import deque
from collections.abc import Callable

import trio

from trio_ohws.errors import BusinessError

__all__ = ["Link"]


class Link(trio.abc.Stream):
    """The client's end of a connection: what `trio.abc.Stream` has is the client's, the rest is the peer's.

    What the client writes is heard at once, inside its `send_all`: an answer to it needs no task.
    """

    def __init__(self) -> None:
        self.hear: Callable[[bytes], object] = _ignore  # called with what the client writes
        self.changed: Callable[[], object] = _ignore  # called when the client has read, or left
        self._event = trio.Event()
        # Each with the time at which it arrives; b"" is EOF, and stays.
        self._coming: deque[tuple[float, bytes]] = deque()
        self._held: list[bytes] = []  # was sent while nothing passes
        self._eof = False  # is on its way
        self._reset = False
        self._stalled = False
        self.decided: trio.Event = trio.Event()  # the connection is open, or refused
        self.refusal: BusinessError | None = None
        self.closed: bool = False  # by the client
        self.latency: float = 0.0
        self.unread: int = 0  # bytes

    # The peer's side

    def push(self, data: bytes) -> None:
        """Send to the client; what is pushed at once is read at once, if the client's buffer holds it."""
        if data and not (self.ended or self.closed):
            self.unread += len(data)
            self._send(data)

    def push_eof(self) -> None:
        """Say that nothing more will come."""
        if not (self.ended or self.closed):
            self._eof = True
            self._send(b"")

    @property
    def ended(self) -> bool:
        """Whether the peer can send no more."""
        return self._eof or self._reset

    def reset(self) -> None:
        """Break the link; what is under way is lost."""
        self._reset = True
        self._coming.clear()
        self._held.clear()
        self.unread = 0
        self._tell()

    def stall(self) -> None:
        """Let nothing pass that is sent from now on."""
        self._stalled = True

    def resume(self) -> None:
        """Let everything pass again, what was held first."""
        self._stalled = False
        held, self._held = self._held, []
        for data in held:
            self._send(data)
        self._tell()

    def _send(self, data: bytes) -> None:
        if self._stalled:
            self._held.append(data)
            return
        due = trio.current_time() + self.latency
        if self._coming:
            due = max(due, self._coming[-1][0])  # bytes do not overtake each other
        self._coming.append((due, data))
        self._tell()

    def _tell(self) -> None:
        self._event.set()
        self._event = trio.Event()

    # The client's side

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write."""
        await trio.lowlevel.checkpoint()
        while self._stalled and not (self.closed or self._reset):
            await self._event.wait()
        self._check()
        if self._eof:
            raise trio.BrokenResourceError("the peer has closed the connection") from BrokenPipeError()
        self.hear(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until nothing stalls."""
        await trio.lowlevel.checkpoint()
        while self._stalled and not (self.closed or self._reset):
            await self._event.wait()
        self._check()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Read what one push brought, or its rest."""
        await trio.lowlevel.checkpoint()
        while True:
            self._check()
            due = self._coming[0][0] if self._coming else math.inf
            if due <= trio.current_time():
                return self._take(max_bytes)
            with trio.move_on_at(due):
                await self._event.wait()

    def _take(self, max_bytes: int | None) -> bytes:
        due, data = self._coming[0]
        if not data:
            return data
        self._coming.popleft()
        if max_bytes is not None and len(data) > max_bytes:
            self._coming.appendleft((due, data[max_bytes:]))
            data = data[:max_bytes]
        self.unread -= len(data)
        self.changed()
        return data

    def _check(self) -> None:
        if self.closed:
            raise trio.ClosedResourceError
        if self._reset:
            raise trio.BrokenResourceError("the connection was reset") from ConnectionResetError()

    async def aclose(self) -> None:
        """Close."""
        if not self.closed:
            self.closed = True
            self.changed()
            self._tell()
        await trio.lowlevel.checkpoint()


def _ignore(*_: object) -> None:
    """Stand in for what is not there yet."""
