"""Target: what a proxy answers, of every kind that we speak to."""

from collections.abc import Awaitable, Callable

import trio

from tests.fuzz.padding import expand
from trio_ohws._dial.proxy import MAX_ANSWER_SIZE, open_tunnel
from trio_ohws.errors import UNKNOWN_ERROR, BusinessError
from trio_ohws.proxy_server import ProxyServer, parse_proxy_url

__all__ = ["PROXIES", "SECRET", "ProxyStream", "check"]

Ask = Callable[[trio.abc.Stream, ProxyServer, str, int], Awaitable[trio.abc.Stream]]

SECRET = "s3cr3t"
MOST_BYTES = 1024
"""Of an answer that is read by bytes."""

PROXIES = (
    "http://proxy.test:1",
    f"http://user:{SECRET}@proxy.test:1",
    "socks4://proxy.test:1",
    "socks4a://proxy.test:1",
    "socks5://proxy.test:1",
    "socks5h://proxy.test:1",
    f"socks5://user:{SECRET}@proxy.test:1",
    f"socks5h://user:{SECRET}@proxy.test:1",
)


class ProxyStream(trio.abc.Stream):
    """A proxy that has said all that it will ever say.

    Args:
        data: which.
        size: bytes that arrive at a time.
    """

    def __init__(self, data: bytes, size: int) -> None:
        self.data = data
        self.size = size
        self.read = 0
        self.closed = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Take it and be silent."""
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        """Return at once."""
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return the next piece, or the end."""
        await trio.lowlevel.checkpoint()
        size = min(self.size, max_bytes or self.size)
        piece = self.data[self.read : self.read + size]
        self.read += len(piece)
        return piece

    async def aclose(self) -> None:
        """Remember it."""
        self.closed = True
        await trio.lowlevel.checkpoint()


async def _outcome(data: bytes, url: str, size: int, ask: Ask) -> bytes | str:
    """Return what is read through the tunnel, or why there is none."""
    stream = ProxyStream(data, size)
    host = "192.0.2.1" if "socks4:" in url or "socks5:" in url else "server.test"
    try:
        tunnel = await ask(stream, parse_proxy_url(url), host, 8080)
    except BusinessError as error:
        assert (UNKNOWN_ERROR, "0") == (error.code, error.data)
        assert stream.closed
        assert stream.read <= 2 * MAX_ANSWER_SIZE
        assert SECRET not in f"{error} {error!r}"
        assert str(error).isprintable(), "peer-controlled text in a log"
        assert len(str(error)) < 300
        return str(error)
    assert not stream.closed
    assert stream.read <= 2 * MAX_ANSWER_SIZE
    received = b""
    while piece := bytes(await tunnel.receive_some()):
        received += piece
    assert data.endswith(received)
    return received


async def _check(data: bytes, ask: Ask) -> bytes | str:
    setup, wire = data[:1].ljust(1, b"\0")[0], expand(data[1:])
    url = PROXIES[setup & 7]
    whole = await _outcome(wire, url, len(wire) or 1, ask)
    for size in {setup >> 3 or 1, 1} if len(wire) < MOST_BYTES else {1000 + (setup >> 3)}:
        assert whole == await _outcome(wire, url, size, ask)
    return whole


def check(data: bytes, ask: Ask = open_tunnel) -> bytes | str:
    """Ask for a tunnel; what the proxy says means the same in every cut, and nothing of the server is lost.

    Args:
        data: a byte whose first three bits choose the proxy, the rest the size of reads; then its answer.
        ask: what is tested.
    """
    return trio.run(_check, data, ask)
