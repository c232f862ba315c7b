"""Try what a program does on a bad day, without a server and without waiting."""

import trio
import trio.testing

import trio_ohws
from trio_ohws.testing import MemoryPeer, open_memory_network


async def bad_day(peer: MemoryPeer) -> None:
    """Play the server: accept, send half of what was promised, and be heard of no more."""
    await peer.accept(subprotocol="chat")
    await peer.expect("tell me everything")
    await peer.send_fragments("first ", "half")
    peer.stall()


async def main() -> None:
    """Be the program under test."""
    async with open_memory_network() as network:
        network.serve(bad_day, host="example.org")
        started = trio.current_time()
        try:
            async with trio_ohws.open_websocket("wss://example.org/chat", {"protocol": "chat"}) as ws:
                await ws.send("tell me everything")
                async for message in ws:
                    print(message)
        except trio.BrokenResourceError as error:
            print(error)
        print(f"after {trio.current_time() - started:.0f} seconds")


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

# Output:
# first half
# [2302999] Websocket other unknown error: the link is down
# after 60 seconds
