"""Follow a feed for as long as it takes."""

import trio
import trio.testing

from trio_ohws.reconnect import (
    Backoff,
    Connected,
    Connecting,
    Connection,
    ReconnectingWebSocket,
    Stopped,
    Waiting,
    open_reconnecting,
)
from trio_ohws.testing import MemoryNetwork, open_memory_network

URL = "wss://feed.example.org/v1"


async def fresh_options(attempt: int) -> dict[str, object]:
    """Get a new token for each attempt; yours comes from where tokens come from."""
    return {"header": {"Authorization": f"Bearer token-{attempt}"}}


async def subscribe(connection: Connection) -> None:
    """Say hello to each new connection, before anything else is sent or received."""
    await connection.send("subscribe prices")
    print("the server says", await connection.receive())


async def report(ws: ReconnectingWebSocket) -> None:
    """Say what is going on."""
    async with ws.statuses() as statuses:
        async for status in statuses:
            match status:
                case Connecting(attempt):
                    words = f"attempt {attempt}"
                case Connected():
                    words = "connected"
                case Waiting(delay, error):
                    words = f"{error}; next attempt in {delay:g} s"
                case Stopped(error):
                    words = f"stopped: {error}"
            print(f"{trio.current_time():.0f} s: {words}")


async def follow() -> None:
    """The program."""
    backoff = Backoff(first=1, longest=60, jitter=lambda: 1)  # of real programs the jitter is random
    async with open_reconnecting(
        URL, fresh_options, on_connected=subscribe, backoff=backoff, give_up_after=600
    ) as ws:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(report, ws)
            await ws.send("set currency EUR")  # kept until there is a connection
            async for message in ws:
                print("the price is", message)


async def play_server(network: MemoryNetwork) -> None:
    """Have a bad day, so that there is something to see."""
    await network.refuse("cannot resolve host 'feed.example.org'")
    await network.reject(503, headers=[("Retry-After", "20")])
    for prices, code in [(["41", "42"], 1012), (["43"], 1000)]:
        peer = await network.accept()
        await peer.expect("subscribe prices")
        await peer.send("subscribed")
        await trio.sleep(1)
        for price in prices:
            await peer.send(price)
        await trio.sleep(100)
        await peer.close(code)


async def main() -> None:
    """Run both, in a network in memory and without waiting."""
    async with open_memory_network() as network, trio.open_nursery() as nursery:
        nursery.start_soon(play_server, network)
        await follow()


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

# Output:
# 0 s: attempt 1
# 0 s: [2302999] Websocket other unknown error: cannot resolve host 'feed.example.org'; next attempt in 1 s
# 1 s: attempt 2
# 1 s: [2302999] Websocket other unknown error: server answered 503 Service Unavailable; next attempt in 20 s
# 21 s: attempt 3
# the server says subscribed
# 21 s: connected
# the price is 41
# the price is 42
# 122 s: [2302999] Websocket other unknown error: the peer closed with 1012; next attempt in 1 s
# 123 s: attempt 1
# the server says subscribed
# 123 s: connected
# the price is 43
# 224 s: stopped: [2302999] Websocket other unknown error: the peer closed with 1000
