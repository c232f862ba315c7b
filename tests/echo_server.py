"""An embedded WebSocket server that sends back whatever comes."""

import ssl
from functools import partial

import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket


async def echo(request: WebSocketRequest) -> None:
    """Serve one connection; of the subprotocols it takes the first one."""
    connection = await request.accept(subprotocol=next(iter(request.proposed_subprotocols), None))
    try:
        while True:
            await connection.send_message(await connection.get_message())
    except ConnectionClosed:
        pass


async def echo_server(nursery: trio.Nursery, context: ssl.SSLContext | None = None) -> int:
    """Serve in the nursery on a port of 127.0.0.1, which is returned; over TLS with a context."""
    server = await nursery.start(partial(serve_websocket, echo, "127.0.0.1", 0, ssl_context=context))
    port: int = server.port
    return port
