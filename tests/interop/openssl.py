"""OpenSSL's own server as a process, which renews its keys when it is told to."""

import re
import shutil
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import trio

from tests.certificates import Certificates
from tests.peers import missing

LOOPBACK = "127.0.0.1"


def program() -> str:
    """Return where it is; skip the test, or fail it in CI, where it is not installed."""
    found = shutil.which("openssl")
    if found is None:
        missing("openssl", "install Debian's openssl")
    assert found is not None
    return found


class Server:
    """A running `openssl s_server`: what is typed goes to its client, and what that says is printed.

    Args:
        process: it.

    Attributes:
        printed: all that it has printed.
    """

    def __init__(self, process: trio.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._keyboard = process.stdin
        self._screen = process.stdout
        self.printed = ""
        self._seen = 0
        self._more = trio.Event()

    async def look(self) -> None:
        """Read what it prints, for as long as it runs."""
        async for output in self._screen:
            self.printed += output.decode()
            self._more.set()
            self._more = trio.Event()

    async def type(self, text: str) -> None:
        """Type text; a line that is one letter may be a command, unless more follows at once."""
        await self._keyboard.send_all(text.encode())

    async def prints(self, pattern: str) -> re.Match[str]:
        """Wait until it has printed this, after what it was last waited for."""
        while (match := re.compile(pattern).search(self.printed, self._seen)) is None:
            await self._more.wait()
        self._seen = match.end()
        return match


@asynccontextmanager
async def running(
    openssl: str, certificates: Certificates, *options: str
) -> AsyncGenerator[tuple[Server, int]]:
    """Run it while the block lasts; and its port.

    Args:
        openssl: the program.
        certificates: it shows the one for localhost.
        options: further ones.
    """
    files = ["-cert", certificates.path("server.pem"), "-key", certificates.path("server.key")]
    command = [openssl, "s_server", "-accept", f"{LOOPBACK}:0", *files, *options]
    async with trio.open_nursery() as nursery:
        run = partial(
            trio.run_process,
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        process: trio.Process = await nursery.start(run)
        server = Server(process)
        nursery.start_soon(server.look)
        port = await server.prints(r"ACCEPT .*:(\d+)\n")
        yield server, int(port[1])
        nursery.cancel_scope.cancel()
