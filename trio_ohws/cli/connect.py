"""``trio-ohws connect``: talk to a server, at a terminal or through pipes."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, TextIO

import trio

from trio_ohws.cli.message_form import as_json, as_plain, from_json
from trio_ohws.cli.narration import Narration, say
from trio_ohws.cli.parser import Parser, patience
from trio_ohws.cli.pipe import Pipe
from trio_ohws.cli.target import declare_target, target_of
from trio_ohws.cli.terminal import Terminal, can_edit
from trio_ohws.cli.verb import UsageError, Verb
from trio_ohws.events.model import CloseResult, Message
from trio_ohws.events.stream import EventStream
from trio_ohws.settings import WebSocketSettings
from trio_ohws.websocket import WebSocket, create_websocket

__all__ = ["CONNECT"]

_ENDS_WELL: Final = frozenset({1000, 1001, 1005})  # as for EndOfMessages
_WAIT_S: Final = 1.0


def _declare(parser: Parser) -> None:
    declare_target(parser)
    add = parser.add_argument
    add("-o", "--output", metavar="FILE", help="write messages to FILE, not to standard output")
    add("--ndjson", action="store_true", help="one JSON object per line, in and out")
    add("--timing", action="store_true", help="show seconds since the connection was open")
    add("--events", action="store_true", help="tell each event on standard error")
    add(
        "--wait",
        type=patience,
        default=_WAIT_S,
        metavar="SECONDS",
        help="for late messages, after the input (default 1)",
    )


async def _connect(arguments: argparse.Namespace) -> int:
    target = target_of(arguments)
    with _opened(arguments.output) as output:
        # Messages are read from a stream, beside which a listener for events can be told of them.
        settings = target.settings | WebSocketSettings(receive_buffer=None)
        async with create_websocket(**settings) as ws:
            conversation = _Conversation(ws, arguments, output)
            async with ws.subscribe("message") as messages:
                await ws.connect(target.url, target.options)
                subprotocol = f", subprotocol {ws.subprotocol}" if ws.subprotocol else ""
                conversation.tell(f"connected to {target.server}{subprotocol}")
                await conversation.run(messages)
            result = await ws.wait_closed()
    say(_words(result))
    asked_for = result.by == "local" and result.cause is None
    return 0 if asked_for or result.code in _ENDS_WELL else 1


class _Conversation:
    """The connection, and whether somebody sits at it."""

    def __init__(self, ws: WebSocket, arguments: argparse.Namespace, output: int | None) -> None:
        self._ws = ws
        self._arguments = arguments
        self._output = output
        self._opened = trio.current_time()
        self._terminal: Terminal | None = None
        self.tell: Callable[[str], None] = say
        if can_edit() and not arguments.ndjson:
            self._terminal = Terminal(self._stamp)
            self.tell = self._terminal.tell
        if arguments.events:
            Narration(self.tell).listen(ws)

    async def run(self, messages: EventStream[Message]) -> None:
        """Talk until either side closes."""
        self._opened = trio.current_time()
        form = as_json if self._arguments.ndjson else as_plain
        parse = from_json if self._arguments.ndjson else str
        pipe = Pipe(
            self._ws, messages, lambda message: form(message, self._seconds()), parse, self._arguments.wait
        )
        target = self._output
        if target is None:
            target = _descriptor(sys.stdout)
        if self._terminal is None:
            await pipe.run(_descriptor(sys.stdin), target)
        elif self._output is None:
            await self._terminal.run(self._ws, partial(self._terminal.show_messages, messages))
        else:
            await self._terminal.run(self._ws, partial(pipe.write_messages, target))

    def _seconds(self) -> float | None:
        return trio.current_time() - self._opened if self._arguments.timing else None

    def _stamp(self) -> str:
        seconds = self._seconds()
        return "" if seconds is None else f"{seconds:9.3f} "


def _descriptor(stream: TextIO | None) -> int:
    """Return what to read or write; Python has no object for what was closed when it started."""
    if stream is None:
        raise UsageError("standard input or output is closed")
    return stream.fileno()


@contextmanager
def _opened(path: str | None) -> Iterator[int | None]:
    """Open what messages are written to, before there is a connection; None for standard output."""
    if path is None:
        yield None
        return
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    try:
        yield fd
    finally:
        os.close(fd)


def _words(result: CloseResult) -> str:
    reason = f" {result.reason}" if result.reason else ""
    by = {"local": "us", "peer": "the server", "link": "the link"}[result.by]
    return f"closed by {by}: {result.code}{reason}{'' if result.clean else ', without the whole goodbye'}"


CONNECT: Final = Verb(
    "connect", "talk to a server, at a terminal or through pipes", "URL", _declare, _connect
)
