"""One thing that a thread waits for, done by a task in the socket's own thread."""

from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

import outcome
import trio

__all__ = ["LEFT", "Bell", "Operation"]

T = TypeVar("T")

LEFT = "the socket was left: its 'with' block has ended; create a new one"

Bell = SimpleQueue[None]
"""What a thread sleeps on. It only says "look again": if an interrupt eats an item, nothing is lost."""


class Operation(Generic[T]):
    """A call of an async function, which the thread that waits for it can give up.

    Args:
        function: what to do.
        timeout: seconds that it may take, or None.
        bell: rung when it is done.
        count: tells how many callbacks came before it was done.
    """

    __slots__ = (
        "_abandoned",
        "_begun",
        "_bell",
        "_count",
        "_function",
        "_scope",
        "_timeout",
        "done",
        "due",
        "result",
    )

    def __init__(
        self,
        function: Callable[[], Awaitable[T]],
        timeout: float | None,
        bell: Bell,
        count: Callable[[], int],
    ) -> None:
        self._function = function
        self._timeout = timeout
        self._bell = bell
        self._count = count
        self._scope = trio.CancelScope()
        self._begun = False
        self._abandoned = False
        self.done: bool = False
        self.due: int = 0
        self.result: outcome.Outcome[T] = outcome.Error(RuntimeError(LEFT))

    # Both run in the socket's thread

    async def run(self) -> None:
        """Do it, unless it was given up before."""
        if self._abandoned:
            return
        self._begun = True
        try:
            if self._timeout is not None:
                self._scope.deadline = trio.current_time() + self._timeout
            with self._scope:
                self.result = outcome.Value(await self._function())
            if self._scope.cancelled_caught and self._timeout is not None:
                self.result = outcome.Error(TimeoutError(f"not done within {self._timeout:g} s"))
        except trio.Cancelled:
            raise  # the socket was left
        except BaseException as error:  # noqa: BLE001, ASYNC103  # raised in the thread that waits
            self.result = outcome.Error(error)
        finally:
            self._finish()

    def abandon(self) -> None:
        """Cancel it; if it has not begun it never will, and is done."""
        self._abandoned = True
        self._scope.cancel()
        if not self._begun:
            self._finish()

    def _finish(self) -> None:
        self.due = self._count()
        self.done = True
        self._bell.put(None)
