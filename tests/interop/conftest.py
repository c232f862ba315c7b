"""Each foreign server is started once."""

from collections.abc import Generator
from contextlib import ExitStack

import pytest

from tests.interop.peer import LIBRARIES, Peer, Skill


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker that says what a test asks of its server."""
    config.addinivalue_line("markers", "needs(skill): run with the servers that can do this")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `url` once per server that can do what it needs."""
    if "url" in metafunc.fixturenames:
        needed: set[Skill] = {marker.args[0] for marker in metafunc.definition.iter_markers("needs")}
        able = [peer for peer in LIBRARIES if needed <= peer.skills]
        metafunc.parametrize("url", able, ids=[peer.name for peer in able], indirect=True, scope="session")


class Servers:
    """The servers that run, started when first asked for."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.urls: dict[str, str] = {}

    def url(self, peer: Peer) -> str:
        """The server's URL."""
        if peer.name not in self.urls:
            self.urls[peer.name] = self.stack.enter_context(peer.running())
        return self.urls[peer.name]


@pytest.fixture(scope="session")
def servers() -> Generator[Servers]:
    """All servers of this run; ended with it."""
    with ExitStack() as stack:
        yield Servers(stack)


@pytest.fixture(scope="session")
def url(request: pytest.FixtureRequest, servers: Servers) -> str:
    """The URL of one running server."""
    peer: Peer = request.param
    return servers.url(peer)
