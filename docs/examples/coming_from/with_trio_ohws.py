import sys

import trio

from trio_ohws import open_websocket


async def main(url: str) -> None:
    options = {"header": {"X-Token": "secret"}}
    async with open_websocket(url, options) as ws:
        await ws.send("hello")
        print(await ws.receive())

        await ws.send("silence")
        with trio.move_on_after(0.1):
            print(await ws.receive())

        await ws.send("bye")
        async for message in ws:
            print(message)
    result = ws.close_result
    print("closed with", result and result.code)


trio.run(main, sys.argv[1])
