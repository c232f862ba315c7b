"""``trio-ohws bench``: how fast a server echoes."""

import argparse
import json
import math
import sys
import time
from collections import deque
from typing import Any, Final

import trio

from trio_ohws.cli.latencies import Bucket, Latencies
from trio_ohws.cli.looks import Looks, is_terminal
from trio_ohws.cli.narration import say
from trio_ohws.cli.parser import Parser, count, seconds, size
from trio_ohws.cli.target import Target, declare_target, target_of
from trio_ohws.cli.verb import Verb
from trio_ohws.errors import BusinessError
from trio_ohws.websocket import WebSocket, open_websocket

__all__ = ["BENCH"]

_BAR: Final = 40
_ROWS: Final = 12
_TICK_S: Final = 0.1
_LAST_ANSWERS_S: Final = 5.0
_MEBIBYTE: Final = 1 << 20


def _declare(parser: Parser) -> None:
    declare_target(parser)
    add = parser.add_argument
    add("-d", "--duration", type=seconds, default=3.0, metavar="S", help="seconds of sending (default 3)")
    add("-s", "--size", type=size, default=64, metavar="BYTES", help="of each message (default 64)")
    add("--connections", type=count, default=1, metavar="N", help="at the same time (default 1)")
    add("--in-flight", type=count, default=1, metavar="N", help="messages per connection (default 1)")
    add("--json", action="store_true", help="print a JSON object")


async def _bench(arguments: argparse.Namespace) -> int:
    target = target_of(arguments)
    run = _Run(target, arguments)
    try:
        await run.run()
    finally:
        if run.latencies:
            _print_json(run) if arguments.json else _print_figures(run)
    if run.trouble:
        say(f"trio-ohws bench: {run.trouble}")
        return 1
    return 0


class _Run:
    """One run.

    Attributes:
        latencies: of the messages that came back.
        taken: seconds from the first message to the last one.
        trouble: what went wrong, or "".
    """

    def __init__(self, target: Target, arguments: argparse.Namespace) -> None:
        self.target = target
        self.arguments = arguments
        self.latencies = Latencies()
        self.taken = 0.0
        self.trouble = ""
        self._failure: BusinessError | None = None
        self._begun = 0.0
        self._connecting: int = arguments.connections
        self._ready = trio.Event()
        self._looks = Looks(sys.stderr)

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            if is_terminal(sys.stderr):
                nursery.start_soon(self._show_progress)
            async with trio.open_nursery() as connections:
                for _ in range(self.arguments.connections):
                    connections.start_soon(self._connect, connections.cancel_scope)
            nursery.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure
        if not self.latencies and not self.trouble:
            self.trouble = "nothing came back; is this an echo server?"

    @property
    def rate(self) -> float:
        """Messages per second."""
        return len(self.latencies) / self.taken if self.taken else 0.0

    async def _connect(self, all_of_them: trio.CancelScope) -> None:
        target = self.target
        try:
            async with open_websocket(target.url, target.options, **target.settings) as ws:
                self._connecting -= 1
                if not self._connecting:
                    self._begun = time.perf_counter()
                    self._ready.set()
                await self._ready.wait()
                with trio.move_on_after(self.arguments.duration + _LAST_ANSWERS_S):
                    await self._exchange(ws)
        except BusinessError as error:
            # Several would be a group, of which one is enough to read.
            self._failure = self._failure or error
            all_of_them.cancel()

    async def _exchange(self, ws: WebSocket) -> None:
        """Keep some messages on their way until the time is over, then wait for the last ones."""
        clock = time.perf_counter
        end = self._begun + self.arguments.duration
        under_way: deque[tuple[str, float]] = deque()
        number = 0
        while True:
            while len(under_way) < self.arguments.in_flight and clock() < end:
                number += 1
                message = f"{number:0{self.arguments.size}d}"[-self.arguments.size :]
                under_way.append((message, clock()))
                await ws.send(message)
            if not under_way:
                return
            answer = await ws.receive()
            now = clock()
            sent, at = under_way.popleft()
            if answer != sent:
                self.trouble = "what came back is not what was sent: this is no echo server"
                return
            self.latencies.add(now - at)
            self.taken = now - self._begun

    async def _show_progress(self) -> None:
        await self._ready.wait()
        try:
            while True:
                done = min(1.0, (time.perf_counter() - self._begun) / self.arguments.duration)
                filled = int(done * _BAR)
                bar = self._looks.styled("#" * filled, "green") + " " * (_BAR - filled)
                print(f"\r\x1b[K[{bar}] {done:4.0%}  {self.rate:,.0f}/s", end="", file=sys.stderr, flush=True)
                await trio.sleep(_TICK_S)
        finally:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _milliseconds(value: float) -> float:
    return round(value * 1e3, 4)


def _print_json(run: _Run) -> None:
    latencies = run.latencies
    summary: dict[str, Any] = {
        "server": run.target.server,
        "connections": run.arguments.connections,
        "in_flight": run.arguments.in_flight,
        "size": run.arguments.size,
        "seconds": round(run.taken, 6),
        "messages": len(latencies),
        "messages_per_second": round(run.rate, 1),
        "latency_ms": {name: _milliseconds(value) for name, value in latencies.figures().items()},
        "histogram": [
            {"upto_ms": _milliseconds(bucket.upto), "count": bucket.trips}
            for bucket in latencies.histogram(_ROWS)
        ],
    }
    print(json.dumps(summary))


def _print_figures(run: _Run) -> None:
    looks = Looks(sys.stdout)
    latencies, arguments = run.latencies, run.arguments
    plural = "" if arguments.connections == 1 else "s"
    print(
        f"{run.target.server}: {arguments.connections} connection{plural}, "
        f"{arguments.in_flight} in flight, {arguments.size} bytes"
    )
    throughput = run.rate * arguments.size / _MEBIBYTE
    print(f"{len(latencies)} messages there and back in {run.taken:.3f} s")
    print(f"rate     {looks.styled(f'{run.rate:,.0f}', 'bold')} messages/s, {throughput:.2f} MiB/s each way")
    figures = latencies.figures().items()
    print(f"latency  {'  '.join(f'{name} {value * 1e3:.3f}' for name, value in figures)}  (ms)")
    print()
    for line in _bars(latencies.histogram(_ROWS), looks):
        print(line)


def _bars(buckets: list[Bucket], looks: Looks) -> list[str]:
    most = max(bucket.trips for bucket in buckets)
    block = "\N{FULL BLOCK}" if looks.colourful and "utf" in (sys.stdout.encoding or "").lower() else "#"
    return [
        f"{bucket.upto * 1e3:10.3f} ms  {looks.styled(bar, 'cyan')}{' ' if bar else ''}{bucket.trips}"
        for bucket in buckets
        for bar in [block * math.ceil(bucket.trips * _BAR / most)]
    ]


BENCH: Final = Verb("bench", "measure how fast a server echoes", "URL", _declare, _bench)
