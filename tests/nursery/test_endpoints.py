"""Between whom a stream runs, whatever was put around the socket."""

import socket
import ssl
import sys
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.certificates import Certificates
from tests.nursery.loopback import open_tcp_pair
from trio_ohws.nursery.endpoints import Endpoints, endpoints_of


async def test_tcp() -> None:
    """Host and port of both ends."""
    ours, theirs = await open_tcp_pair()
    async with ours, theirs:
        expected = Endpoints(theirs.socket.getpeername(), ours.socket.getpeername())

        assert expected == endpoints_of(ours)
        assert expected == endpoints_of(trio.StapledStream(ours, theirs))


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
async def test_ipv6() -> None:
    """Host and port there, too: flow label and scope are nobody's business."""
    try:
        (listener,) = await trio.open_tcp_listeners(0, host="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    async with listener:
        async with await trio.testing.open_stream_to_socket_listener(listener) as stream:
            assert ("::1", listener.socket.getsockname()[1]) == endpoints_of(stream).remote


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such sockets")
async def test_a_unix_socket(tmp_path: Path) -> None:
    """A path, where the end has one."""
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        async with await trio.open_unix_socket(path) as stream:
            assert Endpoints(None, path) == endpoints_of(stream)


async def test_a_link_that_is_dead() -> None:
    """What cannot be told any more is None."""
    ours, theirs = await open_tcp_pair()
    async with theirs:
        await ours.aclose()

        assert Endpoints() == endpoints_of(ours)


async def test_a_stream_of_another_kind() -> None:
    """Nothing is known of it."""
    ours, _ = trio.testing.memory_stream_pair()
    await trio.lowlevel.checkpoint()

    assert Endpoints() == endpoints_of(ours)


async def test_tls(nursery: trio.Nursery, certificates: Certificates) -> None:
    """The outermost TLS counts: below it there may be that of a proxy."""
    ours, theirs = await open_tcp_pair()
    address = endpoints_of(ours)
    trusting = ssl.create_default_context(cafile=certificates.ca)
    outer, inner = certificates.server_context(), certificates.server_context(version=ssl.TLSVersion.TLSv1_2)
    server = trio.SSLStream(trio.SSLStream(theirs, outer, server_side=True), inner, server_side=True)
    proxied = trio.SSLStream(ours, trusting, server_hostname="localhost")
    stream = trio.SSLStream(proxied, trusting, server_hostname="localhost")
    assert address == endpoints_of(stream)  # before the handshake

    nursery.start_soon(server.do_handshake)
    await stream.do_handshake()
    found = endpoints_of(stream)
    assert (address.local, address.remote) == (found.local, found.remote)
    assert found.tls is not None
    assert "TLSv1.2" == found.tls.version
    assert ("DNS", "localhost") in found.tls.peer_certificate["subjectAltName"]
    outermost = endpoints_of(proxied).tls
    assert outermost is not None
    assert "TLSv1.3" == outermost.version
    await trio.aclose_forcefully(stream)
    await trio.aclose_forcefully(server)
