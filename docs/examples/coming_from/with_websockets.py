import asyncio
import sys

from websockets.asyncio.client import connect


async def main(url: str) -> None:
    headers = {"X-Token": "secret"}
    async with connect(url, additional_headers=headers) as ws:
        await ws.send("hello")
        print(await ws.recv())

        await ws.send("silence")
        try:
            async with asyncio.timeout(0.1):
                print(await ws.recv())
        except TimeoutError:
            pass

        await ws.send("bye")
        async for message in ws:
            print(message)
        print("closed with", ws.close_code)


asyncio.run(main(sys.argv[1]))
