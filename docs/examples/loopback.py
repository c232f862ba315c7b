"""An echo server and an HTTP proxy on this machine, so that the examples run anywhere."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

CREDENTIALS = base64.b64encode(b"user:pw")


@asynccontextmanager
async def echo_server() -> AsyncIterator[str]:
    """Serve WebSockets that send everything back; the URL."""

    async def echo(request: WebSocketRequest) -> None:
        ws = await request.accept()
        try:
            while True:
                await ws.send_message(await ws.get_message())
        except ConnectionClosed:
            return

    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, echo, "127.0.0.1", 0, None)
        yield f"ws://localhost:{server.port}/"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def http_proxy() -> AsyncIterator[int]:
    """Serve a proxy that wants the username "user" and the password "pw"; its port."""

    async def pump(source: trio.SocketStream, target: trio.SocketStream) -> None:
        try:
            async for chunk in source:
                await target.send_all(chunk)
            await target.send_eof()
        except trio.BrokenResourceError:
            pass  # one side was in a hurry

    async def connect(client: trio.SocketStream) -> None:
        request = b""
        async for chunk in client:
            request += chunk
            if request.endswith(b"\r\n\r\n"):
                break
        if CREDENTIALS not in request:
            await client.send_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return
        host, _, port = request.split()[1].partition(b":")
        print("the proxy connects to", host.decode())
        async with await trio.open_tcp_stream(host, int(port)) as server, trio.open_nursery() as nursery:
            await client.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            nursery.start_soon(pump, client, server)
            nursery.start_soon(pump, server, client)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, connect, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()
