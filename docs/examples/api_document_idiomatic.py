"""The API document's complete example, as one would write it here."""

import trio
from memory_bye import bye_server

import trio_ohws

OPTIONS = trio_ohws.WebSocketRequestOptions(
    header={"name1": "value1", "name2": "value2", "name3": "value3"},
    proxy=trio_ohws.HttpProxy("192.168.0.150", 8888),
    protocol="my-protocol",
)


async def main() -> None:
    """Say hello, and leave at "bye"."""
    try:
        async with bye_server(), trio_ohws.open_websocket("ws://example.org/", OPTIONS) as ws:
            await ws.send("Hello, server!")
            async for message in ws:
                print("message:", message)
                if message == "bye":
                    break
    except trio_ohws.BusinessError as error:
        print(error.code, error.message)
    else:
        print("closed with", ws.close_result.code if ws.close_result else None)


trio.run(main)

# Output:
# message: bye
# closed with 1000
