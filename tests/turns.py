"""How often the scheduler runs a task."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import trio


class Turns(trio.abc.Instrument):
    """Counts how often each task is given its turn."""

    def __init__(self) -> None:
        self.of: Counter[trio.lowlevel.Task] = Counter()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """See `Instrument`."""
        self.of[task] += 1


@contextmanager
def counted_turns() -> Iterator[Turns]:
    """Count those of this run of Trio, while the block lasts."""
    turns = Turns()
    trio.lowlevel.add_instrument(turns)
    try:
        yield turns
    finally:
        trio.lowlevel.remove_instrument(turns)
