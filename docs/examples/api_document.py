"""The API document's complete example, line by line."""

import json
from typing import Any

import trio
from memory_bye import bye_server

import trio_ohws
from trio_ohws import BusinessError, CloseResult

url = "ws://example.org/"
ws = trio_ohws.createWebSocket()


def on_open(err: BusinessError | None, value: Any) -> None:
    if err is not None:
        print(json.dumps(err.to_dict()))
        return

    def sent(err: BusinessError | None, value: bool) -> None:
        if not err:
            print("send success")
        else:
            print("send fail, err:", json.dumps(err.to_dict()))

    ws.send("Hello, server!", sent)


def closed(err: BusinessError | None, value: bool) -> None:
    if not err:
        print("close success")
    else:
        print("close fail, err is", json.dumps(err.to_dict()))


def on_message(err: BusinessError | None, value: str | bytes) -> None:
    print("on message, message:", value)
    if value == "bye":
        ws.close(closed)


def on_close(err: BusinessError | None, value: CloseResult) -> None:
    print(f"on close, code is {value.code}, reason is {value.reason!r}")


def on_error(err: BusinessError) -> None:
    print("on error, error:", json.dumps(err.to_dict()))


def connected(err: BusinessError | None, value: bool) -> None:
    if not err:
        print("connect success")
    else:
        print("connect fail, err:", json.dumps(err.to_dict()))
    ws.close(closed)


ws.on("open", on_open)
ws.on("message", on_message)
ws.on("close", on_close)
ws.on("error", on_error)


async def main() -> None:
    async with bye_server(), ws:
        ws.connect(
            url,
            {
                "header": {"name1": "value1", "name2": "value2", "name3": "value3"},
                "proxy": {"host": "192.168.0.150", "port": 8888, "exclusionList": []},
                "protocol": "my-protocol",
            },
            connected,
        )
        await ws.wait_closed()


trio.run(main)

# Output, in some order:
# connect success
# send success
# on close, code is 1000, reason is ''
# close success
