"""Take messages as they come, while another task sends."""

import sys

import trio

import trio_ohws


async def talk(ws: trio_ohws.WebSocket) -> None:
    for word in ("one", "two", "three"):
        await ws.send(word)
    await ws.send(b"\x00\x01")  # bytes make a binary message
    await ws.send("bye")


async def main(url: str) -> None:
    async with trio_ohws.open_websocket(url) as ws, trio.open_nursery() as nursery:
        nursery.start_soon(talk, ws)
        async for message in ws:
            print(repr(message))
    print("the server said goodbye:", ws.close_result)


trio.run(main, *sys.argv[1:])

# Output:
# 'one'
# 'two'
# 'three'
# b'\x00\x01'
# the server said goodbye: CloseResult(code=1000, reason='see you', clean=True, by='peer', cause=None)
