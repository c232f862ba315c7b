"""An echo server on websockets (asyncio)."""

import asyncio
import ssl
import sys
from collections.abc import Sequence

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol


def choose(_ws: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Our favourite among what the client offers."""
    return next((Subprotocol(name) for name in ("chat.v2", "chat.v1") if name in offered), None)


async def obey(ws: ServerConnection, message: str | bytes) -> None:
    """Carry out one message."""
    words = message.split(" ", 2) if isinstance(message, str) else [""]
    match words:
        case ["close", code, reason]:
            await ws.close(int(code), reason)
        case ["flood", count, size]:
            for n in range(int(count)):
                await ws.send(f"{n:08}".ljust(int(size), "."))
        case ["header", name]:
            assert ws.request is not None
            await ws.send(ws.request.headers.get(name, ""))
        case ["fragment", count]:
            await ws.send([f"piece {n};" for n in range(int(count))])
        case ["ping"]:
            pong = await ws.ping()
            await pong
            await ws.send("pong")
        case ["drop"]:
            ws.transport.abort()
        case _:
            await ws.send(message)


async def handle(ws: ServerConnection) -> None:
    """Serve one connection until it ends."""
    try:
        async for message in ws:
            await obey(ws, message)
    except ConnectionClosed:
        pass  # how clients leave is what the tests are about


def tls() -> ssl.SSLContext | None:
    """What the arguments ask for: a certificate, its key, a version and the authority of the clients."""
    if len(sys.argv) == 1:
        return None
    certificate, key, version, *authority = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version.replace(".", "_")]
    if authority:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(*authority)
    return context


async def main() -> None:
    """Serve until standard input ends."""
    async with serve(handle, "127.0.0.1", 0, ssl=tls(), select_subprotocol=choose, max_size=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)


asyncio.run(main())
