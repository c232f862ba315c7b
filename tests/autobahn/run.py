"""Run Autobahn's fuzzing server, let the testee meet every case, and judge the report.

`python -m tests.autobahn.run [GROUP ...]`: what the gate runs unless told otherwise. A group is "9",
"12.1", one case, "12.1.3", or "all".
"""

import argparse
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.autobahn import testee
from tests.autobahn.report import Report
from tests.autobahn.table import GROUPS, publish
from tests.peers import PEERS

PYTHON = PEERS / "autobahn" / "bin" / "python"
SERVER = Path(__file__).with_name("fuzzingserver.py2")
# Each case of groups 12 and 13 is a thousand compressed messages: 18 cases in each subgroup, of growing size,
# then in fragments. The large ones take the server's Python 2 half a minute each; the gate has the small ones
# only.
_SMALL = (*range(1, 8), 11, 12, 13)
GATE = (
    *("1", "2", "3", "4", "5", "6", "7", "9", "10"),
    *(f"{group}.{case}" for group in ("12.1", "13.1") for case in _SMALL),
)
CASE_TIMEOUT = 500  # seconds; the server itself gives up on its largest cases after 480


@asynccontextmanager
async def fuzzing_server(groups: Sequence[str], folder: Path) -> AsyncGenerator[str]:
    """Run the server on a free loopback port for as long as the block lasts; its URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        listener.setblocking(False)  # Twisted takes it as it is
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        spec = folder / "spec.json"
        spec.write_text(
            json.dumps(
                {
                    "url": url,
                    "outdir": str(folder / "reports"),
                    "cases": [group if group.count(".") == 2 else f"{group}.*" for group in groups],
                    "exclude-cases": [],
                    "exclude-agent-cases": {},
                }
            ),
            encoding="utf-8",
        )
        descriptor = listener.fileno()
        with (folder / "server.log").open("wb") as log:
            process = await trio.lowlevel.open_process(
                [PYTHON, SERVER, str(descriptor), "-m", "fuzzingserver", "-s", spec, "-u", "0"],
                pass_fds=[descriptor],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
    try:
        yield url
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def run(groups: Sequence[str] = GATE, folder: Path | None = None) -> Report:
    """Run the cases of `groups` one after another; what the server writes stays in `folder`, if there is one.

    Raises:
        trio.TooSlowError: A case did not end within `CASE_TIMEOUT`.
        RuntimeError: The report does not cover every case.
    """
    if folder is None:
        with tempfile.TemporaryDirectory() as name:
            return await run(groups, Path(name))
    async with fuzzing_server(groups, folder) as url:
        with trio.fail_after(CASE_TIMEOUT):
            total = await testee.count_cases(url)
        for case in range(1, total + 1):
            with trio.fail_after(CASE_TIMEOUT):
                await testee.run_case(url, case)
        with trio.fail_after(CASE_TIMEOUT):
            await testee.update_reports(url)
    report = Report.read(folder / "reports", testee.AGENT)
    if not 0 < len(report.results) == total:
        raise RuntimeError(f"{total} cases were run, {len(report.results)} reported")
    return report


def main() -> None:
    """Print the counts and the complaints; status 1 if there is any."""
    parser = argparse.ArgumentParser(prog="python -m tests.autobahn.run")
    parser.add_argument("groups", nargs="*", metavar="GROUP")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the server's reports there")
    parser.add_argument("--publish", action="store_true", help="write whole groups into docs/autobahn.md")
    options = parser.parse_args()
    if not PYTHON.exists():
        sys.exit("Autobahn is not installed: run tests/autobahn/install.sh")
    groups = tuple(GROUPS) if options.groups == ["all"] else options.groups or GATE
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    report = trio.run(run, groups, options.keep and options.keep.resolve())
    print(report)
    if options.publish:
        publish(report)
    sys.exit(1 if report.complaints else 0)


if __name__ == "__main__":
    main()
