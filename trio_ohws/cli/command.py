"""The command ``trio-ohws`` and its verbs."""

import argparse
import sys
from collections.abc import Sequence

import trio

from trio_ohws.cli.demo import DEMO_S, demo

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 if it failed, 2 if it was used wrongly, 130 for Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="trio-ohws", description="OpenHarmony's WebSocket client, on Trio, at the command line."
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    verb = verbs.add_parser(
        "demo",
        help="run the API document's complete example and print each event",
        description="Run the API document's complete example against an echo server, and print each event.",
    )
    verb.add_argument(
        "--url", help="an echo server's URL; without it, one is started on a free loopback port"
    )
    verb.add_argument(
        "--timeout",
        type=_seconds,
        default=DEMO_S,
        metavar="SECONDS",
        help="give up then (default %(default)g)",
    )
    options = parser.parse_args(arguments)
    try:
        return trio.run(demo, options.url, options.timeout)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be a number of seconds above 0")
    return seconds
