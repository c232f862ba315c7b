"""``trio-ohws ping``: how long the way to a server and back takes."""

import argparse
import json
import math
import statistics
from itertools import count as numbers
from typing import Any, Final

import trio

from trio_ohws.cli.narration import say
from trio_ohws.cli.parser import Parser, count, patience, seconds
from trio_ohws.cli.target import Target, declare_target, target_of
from trio_ohws.cli.verb import Verb
from trio_ohws.errors import BusinessError
from trio_ohws.websocket import WebSocket, open_websocket

__all__ = ["PING"]


def _declare(parser: Parser) -> None:
    declare_target(parser)
    add = parser.add_argument
    add("-c", "--count", type=count, metavar="N", help="end after so many (default: at Ctrl-C)")
    add("-i", "--interval", type=patience, default=1.0, metavar="S", help="seconds between pings (default 1)")
    add(
        "-W",
        "--timeout",
        type=seconds,
        default=10.0,
        metavar="S",
        help="seconds to wait for each pong (default 10)",
    )
    add("--json", action="store_true", help="print the summary alone, as a JSON object")


async def _ping(arguments: argparse.Namespace) -> int:
    target = target_of(arguments)
    async with open_websocket(target.url, target.options, **target.settings) as ws:
        pings = _Pings(ws, target, arguments)
        try:
            await pings.run()
        finally:
            pings.sum_up()
    return 0 if pings.sent == len(pings.trips) else 1


class _Pings:
    """One run.

    Attributes:
        sent: pings.
        trips: seconds of each that was answered.
    """

    def __init__(self, ws: WebSocket, target: Target, arguments: argparse.Namespace) -> None:
        self._ws = ws
        self._target = target
        self._arguments = arguments
        self._begun = trio.current_time()
        self.sent = 0
        self.trips: list[float] = []

    async def run(self) -> None:
        self._line(f"PING {self._target.server}")
        pings = numbers(1) if self._arguments.count is None else range(1, self._arguments.count + 1)
        due = trio.current_time()
        for number in pings:
            await trio.sleep_until(due)
            due = trio.current_time() + self._arguments.interval
            try:
                await self._measure(number)
            except BusinessError as error:
                say(str(error))
                return

    async def _measure(self, number: int) -> None:
        self.sent += 1
        with trio.move_on_after(self._arguments.timeout) as limit:
            trip = await self._ws.ping()
            self.trips.append(trip)
            self._line(f"pong {number}: {trip * 1e3:.3f} ms")
        if limit.cancelled_caught:
            self._line(f"pong {number}: none within {self._arguments.timeout:g} s")

    def sum_up(self) -> None:
        """Print the summary, in the form of ping(8)."""
        taken = trio.current_time() - self._begun
        figures = _figures(self.trips)
        if self._arguments.json:
            summary: dict[str, Any] = {"server": self._target.server, "seconds": round(taken, 6)}
            print(json.dumps(summary | {"pings": self.sent, "pongs": len(self.trips), "rtt_ms": figures}))
            return
        lost = (self.sent - len(self.trips)) / self.sent if self.sent else 0
        print(f"--- {self._target.server} ping statistics ---")
        print(f"{self.sent} pings, {len(self.trips)} pongs, {lost:.0%} lost, time {taken * 1e3:.0f} ms")
        if figures is not None:
            print(f"rtt min/avg/max/mdev = {'/'.join(f'{figure:.3f}' for figure in figures.values())} ms")

    def _line(self, text: str) -> None:
        if not self._arguments.json:
            print(text, flush=True)


def _figures(trips: list[float]) -> dict[str, float] | None:
    if not trips:
        return None
    average = statistics.fmean(trips)
    deviation = math.sqrt(statistics.fmean((trip - average) ** 2 for trip in trips))
    figures = {"min": min(trips), "avg": average, "max": max(trips), "mdev": deviation}
    return {name: round(value * 1e3, 3) for name, value in figures.items()}


PING: Final = Verb("ping", "measure round trips, as ping(8) does", "URL", _declare, _ping)
