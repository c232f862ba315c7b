import asyncio
import sys

import aiohttp


async def main(url: str) -> None:
    headers = {"X-Token": "secret"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(url) as ws,
    ):
        await ws.send_str("hello")
        print(await ws.receive_str())

        await ws.send_str("silence")
        try:
            print(await ws.receive_str(timeout=0.1))
        except TimeoutError:
            pass

        await ws.send_str("bye")
        async for message in ws:
            if message.type is aiohttp.WSMsgType.TEXT:
                print(message.data)
        print("closed with", ws.close_code)


asyncio.run(main(sys.argv[1]))
