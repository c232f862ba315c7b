"""One soak in a process of its own: does it, and prints its figures as JSON."""

from __future__ import annotations

import argparse
import json
import sys
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import asdict

import trio

from .cycles import cycles
from .exchange import exchange
from .figure import Figure
from .flood import flood
from .idle import idle
from .job import Job
from .messages import messages
from .usage import Tolerance

SOAKS: dict[str, Callable[[Job], Awaitable[list[Figure]]]] = {
    "idle": idle,
    "exchange": exchange,
    "cycles": cycles,
    "messages": messages,
    "flood": flood,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak.worker", description=__doc__)
    parser.add_argument("soak", choices=SOAKS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--other-port", type=int, required=True)
    parser.add_argument("--addresses", type=int, required=True)
    parser.add_argument("--scale", type=float, required=True)
    parser.add_argument("--traced", action="store_true", help="with tracemalloc, which is slow")
    parser.add_argument("--rss-mib", type=float, required=True)
    parser.add_argument("--traced-kib", type=float, required=True)
    arguments = parser.parse_args()
    if arguments.traced:
        tracemalloc.start()
    tolerance = Tolerance(arguments.rss_mib, arguments.traced_kib)
    job = Job(arguments.port, arguments.other_port, arguments.addresses, arguments.scale, tolerance)
    figures = trio.run(SOAKS[arguments.soak], job)
    print(json.dumps([asdict(figure) for figure in figures]), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
