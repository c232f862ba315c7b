"""The servers that the command is tried with."""

from collections.abc import Generator

import pytest
from anyio.from_thread import start_blocking_portal

from tests.certificates import Certificates
from tests.interop.peer import LIBRARIES
from trio_ohws.cli.echo_server import EchoServer

NODE = next(peer for peer in LIBRARIES if peer.name == "ws")


@pytest.fixture(scope="session")
def node() -> Generator[str]:
    """The URL of Node's ws, which echoes, and closes when it is told to."""
    with NODE.running() as url:
        yield url


@pytest.fixture(scope="session")
def echo() -> Generator[str]:
    """The URL of the embedded server."""
    with start_blocking_portal("trio") as portal:
        serving, port = portal.start_task(EchoServer().run, "127.0.0.1", 0)
        yield f"ws://127.0.0.1:{port}/"
        serving.cancel()


@pytest.fixture(scope="session")
def secure_echo(certificates: Certificates) -> Generator[str]:
    """The same over TLS."""
    with start_blocking_portal("trio") as portal:
        context = certificates.server_context()
        serving, port = portal.start_task(EchoServer().run, "127.0.0.1", 0, context)
        yield f"wss://localhost:{port}/"
        serving.cancel()
