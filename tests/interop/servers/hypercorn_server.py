"""An echo server on wsproto, as hypercorn (Trio) drives it."""

import sys
from typing import Any

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope, WebsocketScope


async def obey(scope: WebsocketScope, send: Any, text: str) -> None:
    """Carry out one text message."""

    async def answer(text: str) -> None:
        await send({"type": "websocket.send", "text": text, "bytes": None})

    match text.split(" ", 2):
        case ["close", code, reason]:
            await send({"type": "websocket.close", "code": int(code), "reason": reason})
        case ["flood", count, size]:
            for n in range(int(count)):
                await answer(f"{n:08}".ljust(int(size), "."))
        case ["header", name]:
            await answer(dict(scope["headers"]).get(name.lower().encode(), b"").decode())
        case _:
            await answer(text)


async def live(receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Tell hypercorn that the application is up, and that it is down."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Serve one connection until it ends."""
    if scope["type"] == "lifespan":
        await live(receive, send)
    if scope["type"] != "websocket":
        return
    offered = scope["subprotocols"]
    subprotocol = next((name for name in ("chat.v2", "chat.v1") if name in offered), None)
    while (event := await receive())["type"] != "websocket.disconnect":
        if event["type"] == "websocket.connect":
            await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
        elif event["type"] == "websocket.receive":
            if event["bytes"] is not None:
                await send({"type": "websocket.send", "bytes": event["bytes"], "text": None})
            else:
                await obey(scope, send, event["text"] or "")


async def main() -> None:
    """Serve until standard input ends."""
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None
    config.graceful_timeout = 1
    async with trio.open_nursery() as nursery:
        binds = await nursery.start(serve, app, config)
        print(binds[0].rpartition(":")[2], flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()


trio.run(main)
