"""Do not wait for ever."""

import sys

import trio

import trio_ohws


async def main(url: str) -> None:
    async with trio_ohws.open_websocket(url) as ws:
        await ws.send("silence")  # the server does not answer this one
        with trio.move_on_after(0.1) as scope:
            print(await ws.receive())
        print("gave up:", scope.cancelled_caught)

        await ws.send("are you still there?")  # nothing was lost, and the socket works on
        with trio.fail_after(5):
            print(await ws.receive())


trio.run(main, *sys.argv[1:])

# Output:
# gave up: True
# are you still there?
