"""The soak's command line: each soak in a process of its own, some twice, and a table of each."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from contextlib import ExitStack

from benchmarks.processes import Failed, Program, Server
from benchmarks.table import markdown

from .figure import Figure, number
from .usage import Tolerance
from .worker import SOAKS

TRACED = {"idle": 0.2, "cycles": 0.1, "messages": 0.1}
"""The soaks of the second pass, and how much of them: tracemalloc makes everything several times slower."""

TRACED_FLAG = "--traced"

ADDRESSES = 4 if sys.platform == "linux" else 1
TIMEOUT_S = 3600.0


class Soak(Program):
    """One soak's process."""

    def __init__(self, name: str, *arguments: str) -> None:
        super().__init__("soak.worker", name, *arguments, core=None)

    def figures(self) -> list[Figure]:
        """Wait for its figures."""
        return [Figure(**figure) for figure in json.loads(self.read_line(TIMEOUT_S))]


def raise_file_limit() -> None:
    """Allow as many files as we may, here and in the processes that we start."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def soak(name: str, *arguments: str) -> list[Figure]:
    """Do one of them."""
    begun = time.monotonic()
    with Soak(name, *arguments) as process:
        try:
            figures = process.figures()
        except Failed as failed:
            figures = [Figure(f"failed: {failed}", 1, "", 0)]
    traced = ", traced" if TRACED_FLAG in arguments else ""
    print(f"{name}{traced}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return figures


def arguments() -> argparse.Namespace:
    """What the user asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="a part of everything: 0.01 takes half a minute"
    )
    parser.add_argument("--only", default=",".join(SOAKS), help=f"some of {','.join(SOAKS)}")
    parser.add_argument(
        "--rss-mib", type=float, default=Tolerance().rss_mib, help="what may have grown (%(default)s)"
    )
    parser.add_argument(
        "--traced-kib", type=float, default=Tolerance().traced_kib, help="the same by tracemalloc"
    )
    found = parser.parse_args()
    found.only = found.only.split(",")
    if unknown := set(found.only) - set(SOAKS):
        parser.error(f"no such soak: {', '.join(sorted(unknown))}")
    return found


def main() -> int:
    asked = arguments()
    raise_file_limit()
    failed = False
    with ExitStack() as servers:
        server = servers.enter_context(Server(core=None, addresses=ADDRESSES))
        other = servers.enter_context(Server(core=None)) if "flood" in asked.only else server
        common = (
            f"--port={server.port}",
            f"--other-port={other.port}",
            f"--addresses={ADDRESSES}",
            f"--rss-mib={asked.rss_mib}",
            f"--traced-kib={asked.traced_kib}",
        )
        for name in asked.only:
            figures = soak(name, *common, f"--scale={asked.scale}")
            if name in TRACED:
                traced = soak(name, *common, f"--scale={asked.scale * TRACED[name]}", TRACED_FLAG)
                figures += [figure for figure in traced if "tracemalloc" in figure.name or figure.failed]
            failed |= any(figure.failed for figure in figures)
            lines = [[one.name, f"{number(one.value)} {one.unit}".strip(), one.verdict] for one in figures]
            print(markdown([name, "value", "verdict"], lines), end="\n\n", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
