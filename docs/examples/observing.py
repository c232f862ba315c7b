"""Sum up what a program receives, by an instrument of its own."""

from collections import Counter

import trio
import trio.testing

import trio_ohws
from trio_ohws import CloseResult, ConnectionInfo, Established, Instrument
from trio_ohws.testing import MemoryPeer, open_memory_network


class Meter(Instrument):
    """Counts; all that it does not care for it does not define."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()

    def connected(self, connection: ConnectionInfo, established: Established) -> None:
        """Count connections by server."""
        self.totals[connection.host] += 1

    def received(self, connection: ConnectionInfo, messages: int, size: int) -> None:
        """Add a batch up."""
        self.totals["messages"] += messages
        self.totals["bytes"] += size

    def closed(self, connection: ConnectionInfo, result: CloseResult, seconds: float) -> None:
        """Say how long it was."""
        print(f"{connection.host} closed with {result.code} after {seconds:.0f} s")


async def feed(peer: MemoryPeer) -> None:
    """Play the server."""
    await peer.accept()
    for price in ("41", "42", "43"):
        await peer.send(price)
    await trio.sleep(20)
    await peer.close(1000)


async def main() -> None:
    """Receive prices."""
    meter = Meter()
    async with open_memory_network() as network:
        network.serve(feed, host="example.org")
        async with trio_ohws.open_websocket("wss://example.org/feed", instruments=(meter,)) as ws:
            async for price in ws:
                print(price)
    print(dict(meter.totals))


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

# Output:
# 41
# 42
# 43
# example.org closed with 1000 after 20 s
# {'example.org': 1, 'messages': 3, 'bytes': 16}
