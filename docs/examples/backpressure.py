"""Be slower than the server, in three ways."""

from typing import Literal

import trio
import trio.testing

import trio_ohws
from trio_ohws.testing import MemoryPeer, open_memory_network

URL = "ws://example.org/"


async def read(overflow: Literal["wait", "drop_oldest", "latest"]) -> None:
    """Take a second for each message; the server sends ten of them at once."""
    # Without the queue for `receive` and `async for`, which nobody here would empty.
    async with trio_ohws.open_websocket(URL, receive_buffer=None) as ws:
        async with ws.subscribe("message", max_items=3, overflow=overflow) as stream:
            await ws.send("go")
            await trio.testing.wait_all_tasks_blocked()
            seen = []
            async for message in stream:
                await trio.sleep(1)
                seen.append(message)
        print(f"{overflow}: {' '.join(str(one) for one in seen)}")


async def write() -> None:
    """Send to a server that does not read."""
    async with trio_ohws.open_websocket("ws://deaf.example.org/", send_buffer=1000) as ws:
        sent = 0
        with trio.move_on_after(5):
            while True:
                await ws.send("x" * 100)
                sent += 1
        try:
            ws.send_nowait("x")
        except trio.WouldBlock:
            print("send waits, send_nowait raises WouldBlock; queued:", ws.statistics().send_queue >= 1000)


async def server(peer: MemoryPeer) -> None:
    await peer.accept()
    await peer.receive()
    for n in range(10):
        await peer.send(str(n))
    await peer.close()


async def deaf_server(peer: MemoryPeer) -> None:
    await peer.accept()
    peer.stall()


async def main() -> None:
    async with open_memory_network() as network:
        network.serve(server)
        network.serve(deaf_server, host="deaf.example.org")
        await read("wait")
        await read("drop_oldest")
        await read("latest")
        await write()


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

# Output:
# wait: 0 1 2 3 4 5 6 7 8 9
# drop_oldest: 7 8 9
# latest: 9
# send waits, send_nowait raises WouldBlock; queued: True
