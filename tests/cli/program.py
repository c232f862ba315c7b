"""The command as a program, in pipes."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import pytest

import trio_ohws
from trio_ohws.cli.command import main

COMMAND = (sys.executable, "-W", "error", "-m", "trio_ohws")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(trio_ohws.__file__).parent.parent)}
PATIENCE_S = 40
"""For a busy machine."""


class Ended(NamedTuple):
    """How a program ended: its exit status, and what it wrote."""

    status: int
    output: str
    trouble: str


def run_program(
    *arguments: str,
    typed: bytes = b"",
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Ended:
    """Run it to its end; `typed` is its standard input."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        input=typed,
        capture_output=True,
        env=ENVIRONMENT | dict(environment or {}),
        cwd=folder,
        timeout=PATIENCE_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def call(*arguments: str) -> int:
    """Run the command in this process; its exit status."""
    try:
        return main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)


def pipe_through(*arguments: str, typed: bytes = b"") -> Ended:
    """Run the command in this process, between files; `typed` is what its standard input holds.

    This is what most tests need, and takes no half second for an interpreter to start.
    """
    with (
        tempfile.TemporaryFile() as file,
        tempfile.TemporaryFile("w+") as output,
        tempfile.TemporaryFile("w+") as trouble,
        pytest.MonkeyPatch.context() as patch,
    ):
        file.write(typed)
        file.seek(0)
        patch.setattr(sys, "stdin", file)
        patch.setattr(sys, "stdout", output)
        patch.setattr(sys, "stderr", trouble)
        status = call(*arguments)
        return Ended(status, _content(output), _content(trouble))


def _content(file: IO[str]) -> str:
    file.flush()
    return os.pread(file.fileno(), 1 << 20, 0).decode("utf-8", "surrogateescape")


class Running:
    """A program that has not ended yet."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def type(self, text: str) -> None:
        """Write to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def leave_output(self) -> None:
        """Close our end of its standard output."""
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.stdout = None

    def line(self) -> str:
        """Wait for the next line of its output."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> Ended:
        """Send it a signal, and wait for its end."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> Ended:
        """Wait for its end; what was read before is not repeated."""
        output, trouble = self.process.communicate(timeout=PATIENCE_S)
        return Ended(self.process.returncode, output, trouble)


@contextmanager
def running_program(*arguments: str) -> Generator[Running]:
    """Start it, with an open pipe as its standard input."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        try:
            yield Running(process)
        finally:
            process.kill()  # does nothing to one that has ended
