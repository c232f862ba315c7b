"""A foreign server as a process, and what its library can do beyond echoing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.peers import PEERS, missing

Skill = Literal["fragment", "ping", "drop"]
NODE_MODULES = PEERS / "node" / "node_modules"


@dataclass(frozen=True)
class Peer:
    """A server that is to be started: its library's name, and what it can do."""

    name: str
    program: str
    skills: frozenset[Skill] = frozenset()

    @property
    def command(self) -> list[str]:
        """How to start it; skips the test, or fails it in CI, where it is not installed."""
        program = str(Path(__file__).parent / "servers" / self.program)
        if self.program.endswith(".py"):
            return [sys.executable, program]
        if shutil.which("node") is None:
            missing("Node.js", "install Debian's nodejs and npm, then run tests/interop/install.sh")
        if not (NODE_MODULES / "ws").exists():
            missing("Node's ws", "run tests/interop/install.sh")
        return ["node", program]

    @contextmanager
    def running(self, *arguments: str) -> Generator[str]:
        """Run the server for as long as the block lasts; its URL.

        Args:
            arguments: for TLS, if the server knows that: a certificate, its key, the version, and the
                authority of the clients if they must have certificates.
        """
        with subprocess.Popen(
            [*self.command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"NODE_PATH": str(NODE_MODULES)},
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                port = int(process.stdout.readline())
                server = f"wss://localhost:{port}" if arguments else f"ws://127.0.0.1:{port}"
                yield f"{server}/feed?from=tests"
            finally:
                process.stdin.close()
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()


LIBRARIES = (
    Peer("websockets", "websockets_server.py", frozenset({"fragment", "ping", "drop"})),
    Peer("aiohttp", "aiohttp_server.py", frozenset({"ping", "drop"})),
    Peer("wsproto", "hypercorn_server.py"),
    Peer("ws", "ws_server.cjs", frozenset({"fragment", "ping", "drop"})),
)
