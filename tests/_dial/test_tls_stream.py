"""A TLS stream like any other, below which lies what it takes to go on without it."""

import ssl

import pytest
import trio
import trio.testing

from tests.tls_ends import HOST, client_context, each_version, numbered, secure, server_context
from trio_ohws._dial.tls_stream import tls_stream
from trio_ohws._wire.tls import TlsLayer
from trio_ohws.nursery.takeover import Underlay


def below(stream: trio.SSLStream[trio.abc.Stream]) -> Underlay:
    """Return what a stream runs on."""
    underlay = stream.transport_stream
    assert isinstance(underlay, Underlay)
    return underlay


async def close(*streams: trio.abc.Stream) -> None:
    """Close them without a farewell."""
    for stream in streams:
        await trio.aclose_forcefully(stream)


@each_version
async def test_the_handshake_goes_through_what_it_runs_on(version: ssl.TLSVersion) -> None:
    """Which has the stream that was given, and the connection."""
    ours, theirs = trio.testing.memory_stream_pair()
    stream, server = await secure(ours, theirs, version)
    underlay = below(stream)

    assert ours is underlay.stream
    assert isinstance(underlay.layer, TlsLayer)
    await close(stream, server)


@each_version
async def test_the_connection_goes_on_without_the_stream(version: ssl.TLSVersion) -> None:
    """What is encrypted by it, and sent on what lies below, is what the server reads; and back."""
    stream, server = await secure(*trio.testing.memory_stream_pair(), version)
    underlay = below(stream)
    underlay.layer.encrypt(memoryview(b"question"))
    await underlay.stream.send_all(underlay.layer.take())

    assert b"question" == await server.receive_some()
    await server.send_all(b"answer")
    buffer = bytearray(100)
    underlay.layer.feed(memoryview(await underlay.stream.receive_some()))
    assert b"answer" == buffer[: underlay.layer.decrypt(memoryview(buffer))]
    await close(stream, server)


@each_version
async def test_it_is_an_ordinary_stream_meanwhile(version: ssl.TLSVersion) -> None:
    """Whoever does not take it over reads and writes by its own methods: a proxy's handshake, for example."""
    stream, server = await secure(*trio.testing.memory_stream_pair(), version)
    sent = numbered(200_000)
    received = b""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.send_all, sent)
        while len(received) < len(sent):
            received += await stream.receive_some()
    await stream.wait_send_all_might_not_block()
    await stream.send_all(b"answer")

    assert sent == received
    assert b"answer" == await server.receive_some()
    await server.aclose()
    assert b"" == await stream.receive_some()
    await stream.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await stream.send_all(b"more")
    await close(server)


async def test_closing_it_closes_what_it_runs_on() -> None:
    """All the way down."""
    ours, theirs = trio.testing.memory_stream_pair()
    stream, server = await secure(ours, theirs)
    await stream.aclose()

    with pytest.raises(trio.ClosedResourceError):
        await ours.send_all(b"more")
    assert b"" == await server.receive_some()
    await close(server)


async def test_the_certificate_is_verified() -> None:
    """Against the trusted roots, and for the name that was asked for."""
    for host, context, words in (
        ("other.example", client_context(), "Hostname mismatch"),
        (HOST, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "unable to get local issuer certificate"),
    ):
        ours, theirs = trio.testing.memory_stream_pair()
        stream = tls_stream(ours, host, context)
        serving = server_context(ssl.TLSVersion.TLSv1_3)
        server = trio.SSLStream[trio.abc.Stream](theirs, serving, server_side=True)

        async def serve(server: trio.SSLStream[trio.abc.Stream] = server) -> None:
            with pytest.raises(trio.BrokenResourceError):
                await server.do_handshake()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            with pytest.raises(trio.BrokenResourceError) as caught:
                await stream.do_handshake()
            await trio.aclose_forcefully(stream)

        assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
        assert words in str(caught.value.__cause__)
        await close(server)


async def test_it_asks_for_tls_as_the_context_says() -> None:
    """ALPN, for example."""
    context = client_context()
    context.set_alpn_protocols(["http/1.1"])
    serving = server_context(ssl.TLSVersion.TLSv1_3)
    serving.set_alpn_protocols(["h2", "http/1.1"])
    ours, theirs = trio.testing.memory_stream_pair()
    stream = tls_stream(ours, HOST, context)
    server = trio.SSLStream(theirs, serving, server_side=True, https_compatible=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.do_handshake)
        nursery.start_soon(server.do_handshake)

    assert "http/1.1" == stream.selected_alpn_protocol()
    assert HOST == stream.server_hostname
    await close(stream, server)
