import sys

import trio

import trio_ohws


async def main(url: str) -> None:
    options = {"header": {"X-Token": "secret"}}
    async with trio_ohws.open_websocket(url, options) as ws:
        await ws.send("hello")
        print(await ws.receive())

        await ws.send("silence")
        with trio.move_on_after(0.1):
            print(await ws.receive())

        await ws.send("bye")
        async for message in ws:
            print(message)
    print("closed with", ws.close_result and ws.close_result.code)


trio.run(main, sys.argv[1])
