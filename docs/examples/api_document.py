"""The API document's complete example, line by line."""

import json

import trio
from memory_bye import bye_server

import trio_ohws

url = "ws://example.org/"
ws = trio_ohws.createWebSocket()


def to_json(err):
    return json.dumps(err.to_dict())


def on_open(err, value):
    if err is not None:
        print(to_json(err))
        return

    def sent(err, value):
        if not err:
            print("send success")
        else:
            print("send fail, err:", to_json(err))

    ws.send("Hello, server!", sent)


def closed(err, value):
    if not err:
        print("close success")
    else:
        print("close fail, err is", to_json(err))


def on_message(err, value):
    print("on message, message:", value)
    if value == "bye":
        ws.close(closed)


def on_close(err, value):
    print("on close, code is", value.code)
    print("reason is", repr(value.reason))


def on_error(err):
    print("on error, error:", to_json(err))


def connected(err, value):
    if not err:
        print("connect success")
    else:
        print("connect fail, err:", to_json(err))
    ws.close(closed)


ws.on("open", on_open)
ws.on("message", on_message)
ws.on("close", on_close)
ws.on("error", on_error)


async def main():
    async with bye_server(), ws:
        ws.connect(
            url,
            {
                "header": {
                    "name1": "value1",
                    "name2": "value2",
                    "name3": "value3",
                },
                "proxy": {
                    "host": "192.168.0.150",
                    "port": 8888,
                    "exclusionList": [],
                },
                "protocol": "my-protocol",
            },
            connected,
        )
        await ws.wait_closed()


trio.run(main)

# Output, in some order:
# connect success
# send success
# on close, code is 1000
# reason is ''
# close success
