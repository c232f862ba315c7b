"""The callbacks that are due, in the order of their events, until a thread comes to run them.

The socket's thread adds at the right, one other thread takes from the left, and each has variables of its
own: what counts is derived from the queue, so that an interrupt between two lines leaves nothing wrong.
"""

import inspect
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final

import trio

from trio_ohws.events.model import Listener
from trio_ohws.sync.operation import Bell

__all__ = ["MAX_CALLS", "MAX_CALLS_SIZE", "STREAMED", "Calls", "Forward", "one_or_group", "sleep"]

MAX_CALLS: Final = 256  # that wait, before the peer is slowed down
MAX_CALLS_SIZE: Final = 4 << 20  # bytes (of text: characters) of their messages

STREAMED: Final = ("message", "dataEnd")  # what a peer may send any number of
# Seconds of sleep at a time. On Windows Ctrl-C does not end a sleep. Elsewhere it does, unless it comes after
# the interpreter has looked for it, and before the operating system knows that we sleep.
_NAP: Final = 0.1 if sys.platform == "win32" else 1.0


class _Call:
    """One callback that is due."""

    __slots__ = ("arguments", "forward", "number", "size_before")

    def __init__(self, forward: "Forward", arguments: tuple[Any, ...], number: int, size_before: int) -> None:
        self.forward: Forward = forward
        self.arguments: tuple[Any, ...] = arguments
        self.number: int = number
        self.size_before: int = size_before


class Calls:
    """A queue of callbacks, filled in the socket's thread and emptied in another one.

    Events cannot wait, so it takes in whatever comes. `Forward.hold_up`, an async callback beside each one
    for messages, can: it parks the reader while too many are due.
    """

    def __init__(self) -> None:
        self.bell: Bell = SimpleQueue()  # rung for each call
        self.running: bool = False
        self.skips_messages: bool = False
        self._due: deque[_Call] = deque()
        self._added = 0
        self._size = 0
        self._closed = False
        self._token: trio.lowlevel.TrioToken | None = None
        self._room: trio.Event | None = None

    # In the socket's thread

    def open(self) -> None:
        """The socket is entered."""
        self._token = trio.lowlevel.current_trio_token()

    def add(self, forward: "Forward", arguments: tuple[Any, ...]) -> None:
        """Have a callback called."""
        self._added += 1
        self._due.append(_Call(forward, arguments, self._added, self._size))
        if forward.name == "message":
            self._size += len(arguments[-1])
        self.bell.put(None)

    def count(self) -> int:
        """Return how many came until now."""
        return self._added

    async def wait_room(self) -> None:
        """Wait until there are not too many."""
        while self._fills(1):
            self._room = self._room or trio.Event()
            if self._fills(1):  # still: the other thread looks for `_room` after it took one out
                await self._room.wait()

    def close(self) -> None:
        """There will be no more."""
        self._closed = True
        self.bell.put(None)

    def _let_in(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

    # In the thread that runs them

    def pending(self, due: int) -> bool:
        """Whether some of the first `due` are still to be run."""
        return bool(self._due) and self._due[0].number <= due

    def run_next(self) -> bool:
        """Run the next one, if there is one; what it raises comes out, and counts as run."""
        if not self._due:
            return False
        call = self._due[0]
        forward = call.forward
        try:
            self.running = True
            if forward.active and not (self.skips_messages and forward.name in STREAMED):
                _refuse_coroutine(forward.callback(*call.arguments), forward.callback)
        finally:
            self._due.popleft()
            self.running = False
            if self._room is not None and not self._fills(0.5) and self._token is not None:
                with suppress(trio.RunFinishedError):
                    self._token.run_sync_soon(self._let_in)
        return True

    def serve(self, on_fault: Callable[[BaseException], object]) -> None:
        """Run them until `close`; after one that raised, no message any more."""
        faults: list[BaseException] = []
        closed = False
        while not closed:
            closed = self._closed
            try:
                while self.run_next():
                    pass
            except BaseException as fault:  # noqa: BLE001, ASYNC103  # raised below
                faults.append(fault)
                self.skips_messages = True
                on_fault(fault)
                closed = False
            else:
                if not closed:
                    sleep(self.bell)
        if faults:
            raise one_or_group(faults)

    def _fills(self, part: float) -> bool:
        """Whether more than a part of what may wait does."""
        if len(self._due) > MAX_CALLS * part:
            return True
        try:
            return self._size - self._due[0].size_before > MAX_CALLS_SIZE * part
        except IndexError:  # the other thread took the last one
            return False


class Forward:
    """A listener of the async socket that has a callback called by another thread.

    Args:
        calls: where to.
        name: the event.
        callback: what to call.
        once: whether one call is all.
    """

    __slots__ = ("active", "callback", "calls", "name", "once", "spent")

    def __init__(self, calls: Calls, name: str, callback: Listener, *, once: bool = False) -> None:
        self.calls: Calls = calls
        self.name: str = name
        self.callback: Listener = callback
        self.once: bool = once
        self.spent: bool = False  # it was for one event, which has come
        self.active: bool = True

    def __call__(self, *arguments: Any) -> None:
        """Be the listener."""
        self.spent = self.once
        self.calls.add(self, arguments)

    async def hold_up(self, *arguments: Any) -> None:
        """Be the listener behind it that holds the reader up while too many calls are due."""
        await self.calls.wait_room()


def sleep(bell: Bell) -> None:
    """Sleep until the bell rings, or for a moment: look then whether there is a reason to go on sleeping."""
    with suppress(Empty):
        bell.get(timeout=_NAP)


def one_or_group(errors: list[BaseException]) -> BaseException:
    """Return what to raise: one error bare, several as a group."""
    return errors[0] if len(errors) == 1 else BaseExceptionGroup("several errors in a socket", errors)


def _refuse_coroutine(result: object, callback: Listener) -> None:
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError(f"the callback {callback!r} returned a coroutine, which nobody awaits here")
