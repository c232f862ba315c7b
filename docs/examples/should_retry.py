"""Take a 404 for transient, since our server says so while it is deployed."""

import trio
import trio.testing

import trio_ohws
from trio_ohws.reconnect import is_transient, open_reconnecting
from trio_ohws.testing import MemoryNetwork, open_memory_network


def should_retry(error: Exception) -> bool:
    if isinstance(error, trio_ohws.UpgradeRefused) and error.status == 404:
        return True
    return is_transient(error)


async def play_server(network: MemoryNetwork) -> None:
    """Be deployed, work, and then let nobody in any more."""
    await network.reject(404)
    peer = await network.accept()
    await peer.send("hello")
    await peer.close(1012)
    await network.reject(403)


async def main() -> None:
    async with open_memory_network() as network, trio.open_nursery() as nursery:
        nursery.start_soon(play_server, network)
        async with open_reconnecting("wss://example.org/", should_retry=should_retry) as ws:
            try:
                async for message in ws:
                    print(message)
            except trio_ohws.UpgradeRefused as error:
                print("final:", error.status)


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

# Output:
# hello
# final: 403
