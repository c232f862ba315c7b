"""The benchmark's command line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from . import chart, table
from .clients.registry import CLIENTS
from .contest import Contest
from .workloads import WORKLOADS

RESULTS = Path(__file__).parent / "results"


def chosen(patterns: str, names: Sequence[str]) -> list[str]:
    """The names that match a comma-separated list of names and shell patterns, in the names' own order.

    Raises:
        argparse.ArgumentTypeError: A pattern matches nothing.
    """
    wanted = patterns.split(",")
    for pattern in wanted:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise argparse.ArgumentTypeError(f"{pattern!r} is none of {', '.join(names)}")
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in wanted)]


def arguments() -> argparse.Namespace:
    """What the user asked for."""
    workloads = [workload.name for workload in WORKLOADS]
    clients = [*CLIENTS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure trio_ohws and its peers on the same work, side by side.",
        epilog="Lists are comma-separated, with shell patterns: --only 'receive-*' --peers 'ours,picows*'.",
    )
    parser.add_argument("--list", action="store_true", help="name the workloads and the peers, and end")
    parser.add_argument("--only", type=partial(chosen, names=workloads), default=workloads, metavar="NAMES")
    parser.add_argument("--peers", type=partial(chosen, names=clients), default=clients, metavar="NAMES")
    parser.add_argument("--rounds", type=int, default=5, help="samples per figure (default 5)")
    parser.add_argument(
        "--further-rounds",
        type=int,
        default=160,
        help="at most, for those between whom the samples leave a target open (default 160)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=0.2,
        help="the least that a sample measures; half of it in a further round (default 0.2)",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=60,
        metavar="SECONDS",
        help="spent at most on repeating samples that fell into a slow moment of the machine (default 60)",
    )
    parser.add_argument("--quick", action="store_true", help="2 rounds of short samples")
    for form, what in (("json", "the figures"), ("svg", "the chart")):
        parser.add_argument(
            f"--{form}",
            type=Path,
            default=RESULTS / f"latest.{form}",
            metavar="FILE",
            help=f"where to write {what} (default: results/latest.{form} beside the benchmark)",
        )
    found = parser.parse_args()
    if found.rounds < 1:
        parser.error("--rounds must be at least 1")
    if found.quick:
        found.rounds, found.further_rounds, found.seconds, found.patience = 2, 0, 0.05, 0
    return found


def tell(line: str) -> None:
    """Show progress: over the line before on a terminal, failures alone elsewhere."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K" + line)
        sys.stderr.flush()
    elif line.endswith("\n"):
        sys.stderr.write(line)


def write(path: Path, text: str) -> None:
    """Write a file, and the folder that it belongs into."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main() -> int:
    """Run the benchmark; 0 if all that was asked for was measured."""
    asked = arguments()
    if asked.list:
        print(table.markdown(["workload", "what"], [[each.name, each.title] for each in WORKLOADS]))
        print()
        print(table.markdown(["peer", "what"], [[name, entry.title] for name, entry in CLIENTS.items()]))
        return 0
    results = Contest(
        [workload for workload in WORKLOADS if workload.name in asked.only],
        asked.peers,
        rounds=asked.rounds,
        further_rounds=asked.further_rounds,
        seconds=asked.seconds,
        patience_s=asked.patience,
        tell=tell,
    ).run()
    print(table.report(results))
    write(asked.json, json.dumps(results.as_json(), indent=2) + "\n")
    write(asked.svg, chart.draw(results))
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
