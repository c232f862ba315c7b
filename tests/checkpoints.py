"""Cancel a call after each step that its run makes, one run for each."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import trio

MOST_STEPS = 1000


class Canceller(trio.abc.Instrument):
    """Cancels a scope after the n-th step of any task.

    Args:
        scope: what is cancelled.
        step: n; 0 is before the first.
    """

    def __init__(self, scope: trio.CancelScope, step: int) -> None:
        self.scope = scope
        self.step = step
        self.taken = 0
        self.at = trio.current_time()  # when it was cancelled
        if not step:
            scope.cancel()

    @property
    def fired(self) -> bool:
        """Whether the call took that many steps."""
        return self.taken >= self.step

    @property
    def caught(self) -> bool:
        """Whether the call was cancelled; if not, it was through before it looked."""
        return self.scope.cancelled_caught

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count."""
        self.taken += 1
        if self.taken == self.step:
            self.at = trio.current_time()
            self.scope.cancel()


@contextmanager
def cancelled_after(step: int) -> Iterator[Canceller]:
    """Cancel what is inside after its n-th step."""
    with trio.CancelScope() as scope:
        canceller = Canceller(scope, step)
        trio.lowlevel.add_instrument(canceller)
        try:
            yield canceller
        finally:
            trio.lowlevel.remove_instrument(canceller)


async def at_every_step(attempt: Callable[[int], Awaitable[Canceller]], *, at_least: int) -> None:
    """Make an attempt for each step, until one has fewer; each must leave as many tasks as it found.

    Args:
        attempt: uses `cancelled_after` with the step that it is given.
        at_least: how many of them must have been cancelled, lest this proves nothing.
    """
    cancelled = 0
    for step in range(MOST_STEPS):
        before = trio.lowlevel.current_statistics().tasks_living
        canceller = await attempt(step)

        assert before == trio.lowlevel.current_statistics().tasks_living
        cancelled += canceller.caught
        if not canceller.fired:
            break
    else:
        raise AssertionError("it never ends")
    assert cancelled >= at_least
