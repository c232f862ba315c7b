import sys

import trio
from trio_websocket import ConnectionClosed, open_websocket_url


async def main(url: str) -> None:
    headers = [(b"X-Token", b"secret")]
    async with open_websocket_url(url, extra_headers=headers) as ws:
        await ws.send_message("hello")
        print(await ws.get_message())

        await ws.send_message("silence")
        with trio.move_on_after(0.1):
            print(await ws.get_message())

        await ws.send_message("bye")
        try:
            while True:
                print(await ws.get_message())
        except ConnectionClosed as closed:
            print("closed with", closed.reason and closed.reason.code)


trio.run(main, sys.argv[1])
