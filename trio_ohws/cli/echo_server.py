"""``trio-ohws echo-server``: a server that sends back whatever comes."""

import argparse
import ssl
from collections.abc import Sequence
from functools import partial
from typing import Final

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from trio_ohws.cli.narration import say
from trio_ohws.cli.parser import Parser, port, size
from trio_ohws.cli.verb import UsageError, Verb
from trio_ohws.nursery.bare import bare_errors

__all__ = ["ECHO_SERVER", "EchoServer"]

_GOODBYE_S: Final = 1.0
_MAX_SIZE: Final = 16 << 20


def _declare(parser: Parser) -> None:
    add = parser.add_argument
    add(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="listen there (default 127.0.0.1: only this computer)",
    )
    add("--port", type=port, default=0, help="listen there (default 0: any that is free)")
    add("--cert", metavar="FILE", help="speak TLS with this certificate (PEM)")
    add("--key", metavar="FILE", help="its key, if not in the same file")
    add(
        "--subprotocol",
        action="append",
        metavar="NAME",
        help="choose it if offered; may be repeated (default: any)",
    )
    add(
        "--max-size",
        type=size,
        default=_MAX_SIZE,
        metavar="BYTES",
        help="largest message taken (default 16M)",
    )
    add("--quiet", action="store_true", help="do not tell who comes and goes")


class EchoServer:
    """A server that sends back whatever comes.

    Args:
        subprotocols: the ones to choose from; empty for the first one that a client offers.
        max_size: bytes of the largest message.
        quiet: whether not to tell who comes and goes.
    """

    def __init__(
        self, subprotocols: Sequence[str] = (), max_size: int = _MAX_SIZE, *, quiet: bool = True
    ) -> None:
        self._subprotocols = subprotocols
        self._max_size = max_size
        self._quiet = quiet
        self._connections: set[WebSocketConnection] = set()
        self._count = 0

    async def run(  # noqa: ASYNC114  # always by nursery.start
        self,
        host: str,
        port: int,
        context: ssl.SSLContext | None = None,
        task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until cancelled; then every client gets Close 1001.

        Args:
            host: a name or an address.
            port: 0 for any that is free.
            context: of TLS; None for none.
            task_status: is told the port.
        """
        service = trio.CancelScope(shield=True)
        with bare_errors():
            async with trio.open_nursery() as nursery:
                task_status.started(await nursery.start(self._serve, host, port, context, service))
                try:
                    await trio.sleep_forever()
                finally:
                    with trio.move_on_after(_GOODBYE_S, shield=True):
                        await self._say_goodbye()
                    service.cancel()

    async def _serve(  # noqa: ASYNC114  # the same
        self,
        host: str,
        port: int,
        context: ssl.SSLContext | None,
        scope: trio.CancelScope,
        task_status: trio.TaskStatus[int],
    ) -> None:
        """Serve under a scope of its own, so that connections outlive the order to end, and say goodbye."""
        with scope, bare_errors():
            async with trio.open_nursery() as nursery:
                server = await nursery.start(
                    partial(serve_websocket, self._echo, host, port, context, max_message_size=self._max_size)
                )
                task_status.started(server.listeners[0].port)

    async def _echo(self, request: WebSocketRequest) -> None:
        self._count += 1
        number = self._count
        connection = await request.accept(subprotocol=self._choice(request.proposed_subprotocols))
        self._connections.add(connection)
        self._tell(f"connection {number} opened")
        try:
            while True:
                await connection.send_message(await connection.get_message())
        except ConnectionClosed as ended:
            self._tell(f"connection {number} ended: {ended.reason.code if ended.reason else 1006}")
        finally:
            self._connections.discard(connection)

    async def _say_goodbye(self) -> None:
        self._quiet = True  # of these ends there is nothing to tell
        async with trio.open_nursery() as nursery:
            for connection in self._connections:
                nursery.start_soon(connection.aclose, 1001, "the server ends")

    def _choice(self, offered: Sequence[str]) -> str | None:
        return next((name for name in offered if not self._subprotocols or name in self._subprotocols), None)

    def _tell(self, words: str) -> None:
        if not self._quiet:
            say(words)


async def _echo_server(arguments: argparse.Namespace) -> int:
    context = _context(arguments)
    server = EchoServer(arguments.subprotocol or (), arguments.max_size, quiet=arguments.quiet)
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host

    with bare_errors():
        async with trio.open_nursery() as nursery:
            try:
                port = await nursery.start(server.run, arguments.host, arguments.port, context)
            except OSError as error:
                where = f"{arguments.host} port {arguments.port}"
                raise UsageError(f"cannot listen on {where}: {error.strerror}") from None
            print(f"{'ws' if context is None else 'wss'}://{host}:{port}/", flush=True)
    return 0


def _context(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if arguments.cert is None:
        if arguments.key:
            raise UsageError("--key belongs to a certificate: --cert")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # OpenSSL would ask for the password of an encrypted key at the terminal.
        context.load_cert_chain(arguments.cert, arguments.key or arguments.cert, lambda: "")
    except (OSError, ValueError) as error:
        words = "no certificate and key that belong together, or encrypted"
        if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
            words = error.strerror or words
        raise UsageError(f"cannot use {arguments.cert}: {words}") from None
    return context


ECHO_SERVER: Final = Verb(
    "echo-server", "send back whatever comes, on this computer", "", _declare, _echo_server
)
