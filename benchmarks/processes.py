"""The processes of a run: the server and one worker per client, each on a core of its own kind."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .figures import Entry, Sample
from .machine import available_cores

ANSWER_TIMEOUT_S = 90
EXIT_TIMEOUT_S = 5


class Failed(Exception):
    """A process cannot do what it was asked; the text says why."""


def cores() -> tuple[int | None, int | None]:
    """The server's core and the clients'; None where there are fewer than two, or none can be chosen."""
    available = available_cores()
    return (available[0], available[1]) if len(available) > 1 else (None, None)


class Program:
    """A Python process of ours that is spoken to in lines, and that ends when its standard input does."""

    def __init__(self, module: str, *arguments: str, core: int | None) -> None:
        pinning = [] if core is None else ["--core", str(core)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.{module}", *arguments, *pinning],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def end(self) -> None:
        """Let it end by itself, or see that it does."""
        try:
            self._process.communicate(timeout=EXIT_TIMEOUT_S)
        except (subprocess.TimeoutExpired, ValueError):
            self._process.kill()
            self._process.wait()

    def write_line(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise Failed("its process has ended") from error

    def read_line(self, timeout_s: float = ANSWER_TIMEOUT_S) -> str:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], timeout_s)[0]:
            self._process.kill()
            self._process.wait()
            raise Failed(f"no answer within {timeout_s} s")
        line = self._process.stdout.readline()
        if not line:
            raise Failed("its process has ended")
        return line


class Server(Program):
    """The server; `port` is where it listens, `tls_port` where it does so with TLS.

    Args:
        core: Where it runs.
        addresses: How many of 127.0.0.1, 127.0.0.2, ... it listens on, without TLS.
        certificate: A PEM file with its chain and its key; None for no TLS.
    """

    def __init__(self, *, core: int | None, addresses: int = 1, certificate: Path | None = None) -> None:
        tls = [] if certificate is None else [f"--certificate={certificate}"]
        super().__init__("server", f"--addresses={addresses}", *tls, core=core)
        self.port, self.tls_port = map(int, self.read_line().split())


class Worker(Program):
    """A client's process; Failed if its package is not installed."""

    def __init__(self, client: str, server: Server, authority: Path, *, core: int | None) -> None:
        ports = (f"--port={server.port}", f"--tls-port={server.tls_port}", f"--authority={authority}")
        super().__init__("worker", client, *ports, f"--server-pid={server.pid}", core=core)
        try:
            self._answer()
        except BaseException:
            self.end()
            raise

    def measure(self, entry: Entry, seconds: float) -> Sample:
        """Take one sample of at least about `seconds`."""
        self.write_line(json.dumps({"task": asdict(entry.task), "way": entry.way, "seconds": seconds}))
        return Sample(**self._answer())

    def _answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.read_line())
        if "error" in answer:
            raise Failed(str(answer["error"]))
        return answer
