"""A server to try things on: python server.py PORT [CERTIFICATE KEY]."""

import ssl
import sys

import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket


async def talk(request: WebSocketRequest) -> None:
    ws = await request.accept()
    try:
        while True:
            match await ws.get_message():
                case "silence":
                    pass
                case "bye":
                    await ws.aclose(1000, "see you")
                case "restart":
                    await ws.aclose(1012, "back in a moment")
                case message:
                    await ws.send_message(message)
    except ConnectionClosed:
        pass


async def main(port: str, *certificate_and_key: str) -> None:
    context = None
    if certificate_and_key:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate_and_key)
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, talk, "localhost", int(port), context)
        print(f"{'wss' if context else 'ws'}://localhost:{server.port}/", flush=True)


try:
    trio.run(main, *sys.argv[1:])
except* KeyboardInterrupt:
    pass
