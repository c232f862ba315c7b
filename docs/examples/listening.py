"""Hear the same messages in five ways."""

import trio
import trio.testing

import trio_ohws
from trio_ohws.testing import MemoryPeer, open_memory_network

URL = "ws://example.org/"


async def iteration() -> None:
    async with trio_ohws.open_websocket(URL) as ws:
        async for message in ws:
            print(message)


async def batches() -> None:
    async with trio_ohws.open_websocket(URL) as ws:
        await trio.sleep(1)
        async for batch in ws.batches():
            print(batch)


async def a_callback() -> None:
    async with trio_ohws.create_websocket() as ws:
        ws.on("message", lambda err, message: print(message))
        await ws.connect(URL)
        await ws.wait_closed()


async def an_async_callback() -> None:
    async with trio_ohws.create_websocket() as ws:

        async def on_message(err: None, message: str | bytes) -> None:
            await trio.sleep(1)  # the next call comes when this one has returned
            print(message)

        ws.on("message", on_message)
        await ws.connect(URL)
        await ws.wait_closed()


async def a_stream_of_events() -> None:
    async with trio_ohws.create_websocket() as ws:
        closes = ws.subscribe("close")
        await ws.connect(URL)
        async with closes:
            print(await closes.receive())


async def server(peer: MemoryPeer) -> None:
    await peer.accept()
    await peer.send("one")
    await peer.send("two")
    await peer.close(1000, "done")


async def main() -> None:
    async with open_memory_network() as network:
        network.serve(server)
        for program in (iteration, batches, a_callback, an_async_callback, a_stream_of_events):
            print(f"-- {program.__name__}")
            await program()


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

# Output:
# -- iteration
# one
# two
# -- batches
# ['one', 'two']
# -- a_callback
# one
# two
# -- an_async_callback
# one
# two
# -- a_stream_of_events
# CloseResult(code=1000, reason='done', clean=True, by='peer', cause=None)
