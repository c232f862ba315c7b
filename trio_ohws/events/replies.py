"""The callbacks that were handed to a method, called in the order of the calls."""

import inspect
import sys
from typing import Any

import trio

from trio_ohws.events.emitter import Spawn
from trio_ohws.events.model import Listener
from trio_ohws.events.queue import BoundedQueue

__all__ = ["Replies", "reply"]


async def reply(callback: Listener, error: BaseException | None, value: object) -> None:
    """Call a method's callback, of OHOS's shape (err, value); await it if it is async."""
    result = callback(error, value)
    if inspect.isawaitable(result):
        await result


class Replies:
    """Calls callbacks one after the other in one task, which begins with the first.

    A callback is never called before the method that got it has returned.

    Args:
        spawn: starts the task.
    """

    __slots__ = ("_queue", "_running", "_spawn")

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn
        self._running = False
        self._queue: BoundedQueue[tuple[Listener, BaseException | None, Any]] = BoundedQueue(sys.maxsize, 1)

    def put(self, callback: Listener, error: BaseException | None, value: object) -> None:
        """Have `callback` called."""
        self._queue.put((callback, error, value))
        if not self._running:
            self._running = True
            self._spawn(self._run)

    def end(self) -> None:
        """Let the task end when it is through."""
        self._queue.end()

    async def _run(self) -> None:
        while True:
            try:
                item = await self._queue.receive()
            except trio.EndOfChannel:
                return
            await reply(*item)
