"""The same by callbacks, as OpenHarmony has them."""

import sys

import trio

import trio_ohws

ws = trio_ohws.create_websocket()


def on_open(err: None, value: trio_ohws.OpenResult) -> None:
    print("open:", value.status, value.message)


async def on_message(err: None, value: str | bytes) -> None:
    print("message:", value)
    await ws.send("bye")


def on_close(err: None, value: trio_ohws.CloseResult) -> None:
    print("close:", value.code, value.reason)


ws.on("open", on_open)
ws.on("message", on_message)
ws.on("close", on_close)
ws.on("error", lambda err: print("error:", err))


async def main(url: str) -> None:
    async with ws:
        await ws.connect(url)
        await ws.send("hello")
        await ws.wait_closed()


trio.run(main, *sys.argv[1:])

# Output:
# open: 101 Switching Protocols
# message: hello
# close: 1000 see you
