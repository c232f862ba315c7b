"""The servers that the command is tried with."""

import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager

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


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Generator[str]:
    """Run the embedded server in a thread of its own; its URL."""
    with start_blocking_portal("trio") as portal:
        service, port = portal.start_task(EchoServer().run, "127.0.0.1", 0, context)
        yield f"ws://127.0.0.1:{port}/" if context is None else f"wss://localhost:{port}/"
        service.cancel()


@pytest.fixture(scope="session")
def echo() -> Generator[str]:
    """The URL of the embedded server."""
    with serving() as url:
        yield url


@pytest.fixture(scope="session")
def secure_echo(certificates: Certificates) -> Generator[str]:
    """The same over TLS."""
    with serving(certificates.server_context()) as url:
        yield url


@pytest.fixture
def closed_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
