"""How often the scheduler has to run a task for a connection, so that no turn is added unnoticed.

A turn finds its code gone from the processor's caches, and costs more than most of what is done in it.
"""

import trio

from tests.scripted_peer import polite
from tests.served import served
from trio_ohws import open_websocket

# Trio's, trio-websocket's and ours; as few as they ever were.
CONNECT_AND_CLOSE = 17


class Steps(trio.abc.Instrument):
    """Counts the steps of all tasks."""

    def __init__(self) -> None:
        self.count = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """See `Instrument`."""
        self.count += 1


def test_connecting_and_closing() -> None:
    """A connection is opened and closed in so many steps, whatever order the scheduler takes."""
    steps = Steps()

    async def main(url: str) -> None:
        async with open_websocket(url):
            pass
        trio.lowlevel.add_instrument(steps)
        async with open_websocket(url):
            pass
        trio.lowlevel.remove_instrument(steps)

    with served(polite) as url:
        trio.run(main, url)

    assert steps.count <= CONNECT_AND_CLOSE
