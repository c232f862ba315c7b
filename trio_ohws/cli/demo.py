"""The API document's complete example, against a server that echoes."""

import argparse
import sys
from functools import partial
from typing import Final

import trio

from trio_ohws.cli.echo_server import EchoServer
from trio_ohws.cli.parser import Parser, seconds
from trio_ohws.cli.verb import Verb
from trio_ohws.errors import BusinessError, ConnectionLost
from trio_ohws.events.model import CloseResult, Message, OpenResult, ResponseHeaders
from trio_ohws.websocket import WebSocket, create_websocket

__all__ = ["DEMO", "demo"]

_DEMO_S: Final = 10.0

_OPTIONS: Final = {
    "header": {"name1": "value1", "name2": "value2", "name3": "value3"},
    "protocol": "my-protocol",
}


def _declare(parser: Parser) -> None:
    parser.add_argument(
        "--url", help="an echo server's URL; without it, one is started on a free loopback port"
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=_DEMO_S,
        metavar="SECONDS",
        help="give up then (default %(default)g)",
    )


async def _run(arguments: argparse.Namespace) -> int:
    return await demo(arguments.url, arguments.timeout)


async def demo(url: str | None, seconds: float) -> int:
    """Run the example against `url`, or against a server of our own; return the exit status."""
    if url is not None:
        return await _Demo(url).run(seconds)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(EchoServer().run, "127.0.0.1", 0)
        print(f"echo server    ws://127.0.0.1:{port}")
        status = await _Demo(f"ws://127.0.0.1:{port}/demo").run(seconds)
        nursery.cancel_scope.cancel()
    return status


class _Demo:
    """One run: the listeners, and what they found."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._trouble = ""
        self._over = trio.Event()

    async def run(self, seconds: float) -> int:
        started = trio.current_time()
        with trio.move_on_after(seconds) as limit:
            async with create_websocket() as ws:
                self._listen(ws)
                ws.connect(self._url, _OPTIONS, self._connected)
                await self._over.wait()
        if limit.cancelled_caught:
            self._trouble = f"nothing more came within {seconds:g} s"
        if self._trouble:
            print(f"demo failed: {self._trouble}", file=sys.stderr)
            return 1
        figures = ws.statistics()
        print(
            f"figures        {figures.messages_sent} messages sent, {figures.messages_received} received, "
            f"{figures.bytes_sent} bytes out, {figures.bytes_received} bytes in after the handshake, "
            f"round trip {(figures.latency or 0) * 1e3:.2f} ms, all in {trio.current_time() - started:.3f} s"
        )
        return 0

    def _listen(self, ws: WebSocket) -> None:
        def on_open(_: None, value: OpenResult) -> None:
            print(f"open           {value.status} {value.message!r}, subprotocol {ws.subprotocol!r}")
            ws.send("Hello, server!", partial(self._told, "send"))

        async def on_message(_: None, value: Message) -> None:
            print(f"message        {value!r}")
            if value == "bye":
                ws.close(partial(self._told, "close"))
                return
            try:
                print(f"ping           answered within {await ws.ping() * 1e3:.2f} ms")
                await ws.send("bye")
            except ConnectionLost as error:  # what the listener for close is told decides how this ends
                self._told("ping", error, None)

        ws.on("headerReceive", self._headers)
        ws.on("open", on_open)
        ws.on("message", on_message)
        ws.on("dataEnd", lambda: print("dataEnd"))
        ws.on("error", self._error)
        ws.on("close", self._closed)

    def _headers(self, headers: ResponseHeaders) -> None:
        print(f"headerReceive  {', '.join(headers)}")

    def _connected(self, error: BusinessError | None, _: bool | None) -> None:
        if error is None:
            print("connect        success")
        else:
            self._trouble = str(error)
            self._over.set()

    def _told(self, what: str, error: BusinessError | None, _: bool | None) -> None:
        print(f"{what:<14} {'success' if error is None else error}")

    def _error(self, error: BusinessError) -> None:
        print(f"error          {error.to_dict()}")

    def _closed(self, _: None, value: CloseResult) -> None:
        print(f"close          {value.code} {value.reason!r}, {'clean' if value.clean else 'not clean'}")
        if value.code != 1000:
            self._trouble = f"the connection ended with {value.code} {value.reason!r}"
        self._over.set()


DEMO: Final = Verb("demo", "run the API document's complete example and print each event", "", _declare, _run)
