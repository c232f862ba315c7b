"""Close, and see how it ended."""

import sys

import trio

import trio_ohws


async def main(url: str) -> None:
    # The end of the block closes with 1000. You can do it yourself, with a code and a reason:
    async with trio_ohws.open_websocket(url) as ws:
        await ws.close({"code": 4000, "reason": "enough"})
        print(ws.close_result)

    # A goodbye that means trouble is an exception, which is also one of Trio's.
    try:
        async with trio_ohws.open_websocket(url) as ws:
            await ws.send("restart")
            async for message in ws:
                print(message)
    except trio_ohws.ConnectionLost as error:
        print(error.close_code, isinstance(error, trio.BrokenResourceError))

    # Nobody there: every failure has one of OpenHarmony's codes.
    try:
        async with trio_ohws.open_websocket("ws://localhost:1/") as ws:
            pass
    except trio_ohws.BusinessError as error:
        print(error.code)


trio.run(main, *sys.argv[1:])

# Output:
# CloseResult(code=4000, reason='enough', clean=True, by='local', cause=None)
# 1012 True
# 2302999
