"""Answer each message from a callback, in three ways that work and one that does not."""

from typing import Any

import trio
import trio.testing

import trio_ohws
from trio_ohws.testing import MemoryPeer, open_memory_network


async def answer(callback: Any) -> None:
    """Answer the server's question by this callback."""
    try:
        async with trio_ohws.open_websocket("ws://example.org/") as ws:
            ws.on("message", lambda err, message: callback(ws, message))
            await ws.wait_closed()
    except TypeError as error:
        print("TypeError:", str(error).partition("; ")[2])


async def answer_async() -> None:
    """Answer it by an async callback."""
    async with trio_ohws.open_websocket("ws://example.org/") as ws:

        async def on_message(err: None, message: str | bytes) -> None:
            await ws.send("fine, in a task of my own")

        ws.on("message", on_message)
        await ws.wait_closed()


async def server(peer: MemoryPeer) -> None:
    await peer.accept()
    await peer.send("how are you?")
    async for message in peer:
        print("the server got:", message)
        await peer.close()


async def main() -> None:
    async with open_memory_network() as network:
        network.serve(server)
        sent = lambda err, value: None  # noqa: E731  # told once it is queued
        await answer(lambda ws, message: ws.send("fine, by the form with a callback", sent))
        await answer(lambda ws, message: ws.send_nowait("fine, without waiting"))
        await answer_async()
        await answer(lambda ws, message: ws.send("never sent"))


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

# Output:
# the server got: fine, by the form with a callback
# the server got: fine, without waiting
# the server got: fine, in a task of my own
# TypeError: register an 'async def' function, or call the form that takes a callback or send_nowait()
