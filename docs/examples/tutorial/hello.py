"""Say hello, and hear the answer."""

import sys

import trio

import trio_ohws


async def main(url: str) -> None:
    async with trio_ohws.open_websocket(url) as ws:
        await ws.send("hello")
        print(await ws.receive())


trio.run(main, *sys.argv[1:])

# Output:
# hello
