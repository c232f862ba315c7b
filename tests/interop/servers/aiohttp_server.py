"""An echo server on aiohttp (asyncio)."""

import asyncio
import sys

from aiohttp import WSMsgType, web


async def obey(request: web.Request, ws: web.WebSocketResponse, text: str) -> None:
    """Carry out one text message."""
    match text.split(" ", 2):
        case ["close", code, reason]:
            await ws.close(code=int(code), message=reason.encode())
        case ["flood", count, size]:
            for n in range(int(count)):
                await ws.send_str(f"{n:08}".ljust(int(size), "."))
        case ["header", name]:
            await ws.send_str(request.headers.get(name, ""))
        case ["ping"]:
            await ws.ping(b"are you there?")
        case ["drop"]:
            assert request.transport is not None
            request.transport.abort()
        case _:
            await ws.send_str(text)


async def handle(request: web.Request) -> web.WebSocketResponse:
    """Serve one connection until it ends."""
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    chosen = [name for name in ("chat.v2", "chat.v1") if name in offered][:1]  # aiohttp: the client's first
    ws = web.WebSocketResponse(protocols=chosen, max_msg_size=0, autoping=False)
    await ws.prepare(request)
    async for message in ws:
        match message.type:
            case WSMsgType.TEXT:
                await obey(request, ws, message.data)
            case WSMsgType.BINARY:
                await ws.send_bytes(message.data)
            case WSMsgType.PING:
                await ws.pong(message.data)
            case WSMsgType.PONG if message.data == b"are you there?":
                await ws.send_str("pong")
            case _:
                pass
    return ws


async def main() -> None:
    """Serve until standard input ends."""
    app = web.Application()
    app.router.add_get("/{tail:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


asyncio.run(main())
