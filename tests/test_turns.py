"""How often the scheduler has to run a task for a connection, so that no turn is added unnoticed.

A turn finds its code gone from the processor's caches, and costs more than most of what is done in it.
"""

import trio

from tests.scripted_peer import polite
from tests.served import served
from tests.turns import Turns, counted_turns
from trio_ohws import open_websocket

# Trio's, trio-websocket's and ours; as few as they ever were.
CONNECT_AND_CLOSE = 17


def test_connecting_and_closing() -> None:
    """A connection is opened and closed in so many steps, whatever order the scheduler takes."""

    async def main(url: str) -> Turns:
        async with open_websocket(url):
            pass
        with counted_turns() as turns:
            async with open_websocket(url):
                pass
        return turns

    with served(polite) as url:
        turns = trio.run(main, url)

    assert turns.of.total() <= CONNECT_AND_CLOSE
