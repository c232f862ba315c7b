"""The callbacks that were handed to a method, called in the order of the calls."""

import inspect
from collections import deque

import trio

from trio_ohws.events.emitter import Spawn
from trio_ohws.events.model import Listener
from trio_ohws.events.queue import TURN

__all__ = ["Replies", "reply"]


async def reply(callback: Listener, error: BaseException | None, value: object) -> None:
    """Call a method's callback, of OHOS's shape (err, value); await it if it is async."""
    result = callback(error, value)
    if inspect.isawaitable(result):
        await result


class Replies:
    """Calls callbacks one after the other, in a task that lives while there are any.

    A callback is never called before the method that got it has returned.
    """

    __slots__ = ("_running", "_steps", "_waiting")

    def __init__(self) -> None:
        self._running = False
        self._steps = 0
        self._waiting: deque[tuple[Listener, BaseException | None, object]] | None = None

    def put(self, spawn: Spawn, callback: Listener, error: BaseException | None, value: object) -> None:
        """Have `callback` called with `error` and `value`, by a task that `spawn` starts if there is none."""
        if not self._running:
            spawn(self._run)
            self._running = True
        if self._waiting is None:  # a deque takes 0.6 KiB, and most sockets never need this one
            self._waiting = deque()
        self._waiting.append((callback, error, value))

    async def _run(self) -> None:
        try:
            while self._waiting:
                self._steps += 1
                if self._steps % TURN:
                    await trio.lowlevel.checkpoint_if_cancelled()
                else:
                    await trio.lowlevel.checkpoint()
                await reply(*self._waiting.popleft())
        finally:
            self._running = False
