"""A socket among AnyIO's streams, on its trio backend."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.abc
import pytest
import trio
import trio.testing
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.stapled import StapledObjectStream
from anyio.streams.text import TextStream
from anyio.streams.tls import TLSAttribute, TLSStream
from cryptography import x509

from tests.certificates import Certificates
from tests.echo_server import echo_server
from tests.keeper import NORMAL, Keeper
from tests.logbook import Logbook
from tests.scripted_peer import BINARY, TEXT, URL, Network, Peer, echo, frame
from trio_ohws import BusinessError, CloseResult, Established, TlsProtocol, WebSocket
from trio_ohws.anyio import WebSocketStream, open_websocket, open_websocket_over
from trio_ohws.anyio.transport import ByteStreamTransport

Script = Callable[[Peer], Awaitable[Any]]
Stream = anyio.abc.ObjectStream[str | bytes]


@asynccontextmanager
async def streaming(script: Script) -> AsyncIterator[WebSocketStream]:
    """Connect to a server in memory."""
    async with trio.open_nursery() as nursery, Network(script, nursery).websocket() as ws:
        await ws.connect(URL)
        yield WebSocketStream(ws)


class Bytes(anyio.abc.ByteStream):
    """A byte stream of AnyIO's over one of Trio's, with an attribute of its own.

    It sends an empty chunk before each real one, as AnyIO's streams should not, and may.
    """

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self.stream = stream
        self.closed = 0
        self._chunks: list[bytes] = []

    async def send(self, item: bytes) -> None:
        """See `anyio.abc.ByteSendStream`."""
        assert type(item) is bytes
        try:
            await self.stream.send_all(item)
        except trio.BrokenResourceError as error:
            raise anyio.BrokenResourceError from error

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """See `anyio.abc.ByteReceiveStream`."""
        if not self._chunks:
            self._chunks = [b"", bytes(await self.stream.receive_some(max_bytes))]
            if not self._chunks[1]:
                raise anyio.EndOfStream
        return self._chunks.pop(0)

    async def send_eof(self) -> None:
        """See `anyio.abc.ByteStream`."""
        await self.stream.send_eof()

    async def aclose(self) -> None:
        """See `anyio.abc.AsyncResource`."""
        self.closed += 1
        await self.stream.aclose()

    @property
    def extra_attributes(self) -> Any:
        """One that only this class has."""
        return {**super().extra_attributes, Bytes: lambda: "mine"}


def memory_bytes(script: Script, nursery: trio.Nursery) -> Bytes:
    """Return a byte stream to a server in memory."""
    ours, theirs = trio.testing.memory_stream_pair()
    nursery.start_soon(script, Peer(theirs))
    return Bytes(ours)


async def ignoring(peer: Peer) -> None:
    """Be a server that does nothing."""
    await trio.lowlevel.checkpoint()


# A program that knows AnyIO alone


async def shout(stream: Stream, words: list[str]) -> list[str | bytes]:
    """Send words from one task, collect their echoes in another, and close."""
    heard: list[str | bytes] = []
    async with stream, anyio.create_task_group() as tasks:

        async def talk() -> None:
            for word in words:
                await stream.send(word.upper())

        tasks.start_soon(talk)
        with anyio.fail_after(5):
            while len(heard) < len(words):
                heard.append(await stream.receive())
    return heard


async def test_an_anyio_program(autojump_clock: trio.testing.MockClock) -> None:
    """What was written against `ObjectStream` does over a socket what it does over AnyIO's own streams."""
    words = ["one", "two", "three"]
    send, receive = anyio.create_memory_object_stream[str | bytes](10)
    expected = await shout(StapledObjectStream(send, receive), words)
    async with streaming(echo) as stream:
        heard = await shout(stream, words)

    assert ["ONE", "TWO", "THREE"] == expected
    assert expected == heard


def test_it_runs_under_anyio_s_own_run() -> None:
    """On the trio backend a program needs nothing else."""

    async def serve(stream: anyio.abc.SocketStream) -> None:
        await echo(Peer(ByteStreamTransport(stream)))

    async def main() -> None:
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
            port = listener.extra(anyio.abc.SocketAttribute.local_port)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listener.serve, serve)
                async with open_websocket(f"ws://127.0.0.1:{port}/") as stream:
                    assert ["HI"] == await shout(stream, ["hi"])
                tasks.cancel_scope.cancel()

    anyio.run(main, backend="trio")


def test_another_backend_is_refused() -> None:
    """On asyncio it says at once what to do."""

    async def main() -> None:
        async with open_websocket(URL):
            pass

    with pytest.raises(RuntimeError, match="backend='trio'"):
        anyio.run(main, backend="asyncio")


async def test_anyio_s_own_wrappers(autojump_clock: trio.testing.MockClock) -> None:
    """What AnyIO puts around streams of bytes can be put around a socket."""
    keeper = Keeper(then=frame(BINARY, b"one\ntw") + frame(BINARY, b"o\n"))
    async with streaming(keeper) as stream:
        lines: Any = BufferedByteReceiveStream(stream)  # type: ignore[arg-type]
        assert b"one" == await lines.receive_until(b"\n", 10)
        assert b"two" == await lines.receive_until(b"\n", 10)
    async with streaming(echo) as stream:
        text: Any = TextStream(stream)  # type: ignore[arg-type]
        await text.send("grüße")

        assert "grüße" == await text.receive()


# Exceptions


async def test_the_peer_closes(autojump_clock: trio.testing.MockClock) -> None:
    """Iteration ends; receiving is EndOfStream, sending BrokenResourceError, each with ours as cause."""

    async def script(peer: Peer) -> None:
        await peer.accept(then=frame(TEXT, "a") + frame(BINARY, b"b"))
        await peer.close()

    async with streaming(script) as stream:
        assert ["a", b"b"] == [message async for message in stream]
        with pytest.raises(anyio.EndOfStream) as ended:
            await stream.receive()
        assert isinstance(ended.value.__cause__, BusinessError)
        with pytest.raises(anyio.BrokenResourceError) as broken:
            await stream.send("x")
        assert isinstance(broken.value.__cause__, BusinessError)


@pytest.mark.parametrize("code", [1011, 4000])
async def test_the_peer_closes_in_trouble(autojump_clock: trio.testing.MockClock, code: int) -> None:
    """That is no end of the stream, but a broken one."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.close(code)

    async with streaming(script) as stream:
        with pytest.raises(anyio.BrokenResourceError):
            await stream.receive()


async def test_we_close(autojump_clock: trio.testing.MockClock) -> None:
    """After `aclose`, which may be called again, everything is ClosedResourceError."""
    keeper = Keeper()
    async with streaming(keeper) as stream:
        await stream.aclose()
        await stream.aclose()
        with pytest.raises(anyio.ClosedResourceError):
            await stream.receive()
        with pytest.raises(anyio.ClosedResourceError):
            await stream.send("x")

    assert [NORMAL] == keeper.frames


async def test_a_forceful_end(autojump_clock: trio.testing.MockClock) -> None:
    """AnyIO's way to close without a farewell is ours."""
    async with streaming(Keeper(answers=False)) as stream:
        began = trio.current_time()
        await anyio.aclose_forcefully(stream)

        assert began == trio.current_time()
        assert CloseResult(1000, "") == stream.websocket.close_result


async def test_one_task_receives(autojump_clock: trio.testing.MockClock) -> None:
    """A second one is BusyResourceError."""
    async with streaming(Keeper()) as stream, anyio.create_task_group() as tasks:
        tasks.start_soon(stream.receive)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(anyio.BusyResourceError):
            await stream.receive()
        tasks.cancel_scope.cancel()


async def test_there_is_no_half_close(autojump_clock: trio.testing.MockClock) -> None:
    """It is refused with advice, and the stream goes on."""
    async with streaming(echo) as stream:
        with pytest.raises(NotImplementedError, match="aclose"):
            await stream.send_eof()
        await stream.send("x")

        assert "x" == await stream.receive()


# Typed attributes


async def test_addresses(nursery: trio.Nursery) -> None:
    """Both ends of a TCP connection are known, by AnyIO's names and by ours."""
    port = await echo_server(nursery)
    async with open_websocket(f"ws://127.0.0.1:{port}/") as stream:
        attribute = anyio.abc.SocketAttribute
        assert ("127.0.0.1", port) == stream.extra(attribute.remote_address)
        assert port == stream.extra(attribute.remote_port)
        assert "127.0.0.1" == stream.extra(attribute.local_address)[0]
        assert stream.websocket.local_address == ("127.0.0.1", stream.extra(attribute.local_port))
        assert trio.socket.AF_INET == stream.extra(attribute.family)
        assert None is stream.extra(TLSAttribute.tls_version, None)
        assert None is stream.websocket.tls
    nursery.cancel_scope.cancel()


async def test_a_stream_without_addresses(autojump_clock: trio.testing.MockClock) -> None:
    """What is not known is not there."""
    async with streaming(echo) as stream:
        assert {} == stream.extra_attributes
        assert None is stream.websocket.remote_address
        assert "none" == stream.extra(anyio.abc.SocketAttribute.remote_address, "none")
    assert None is WebSocket().local_address
    assert None is WebSocket().remote_address
    assert None is WebSocket().tls


async def test_instruments_are_told_of_tls(nursery: trio.Nursery, certificates: Certificates) -> None:
    """They are a setting like any other, and learn what TLS has agreed on."""
    port = await echo_server(nursery, certificates.server_context(version=ssl.TLSVersion.TLSv1_3))
    logbook = Logbook()
    async with open_websocket(
        f"wss://localhost:{port}/", {"caPath": certificates.ca}, instruments=(logbook,)
    ):
        _, established = logbook.entries[1]

        assert isinstance(established, Established)
        assert "TLSv1.3" == established.tls_version
        assert ("127.0.0.1", port) == established.remote_address
    assert [("wss", "localhost", port)] == [(one.scheme, one.host, one.port) for one in logbook.connections]
    nursery.cancel_scope.cancel()


async def test_tls(nursery: trio.Nursery, certificates: Certificates) -> None:
    """Of a TLS connection the server's certificate is known, and what was agreed on."""
    context = certificates.server_context(version=ssl.TLSVersion.TLSv1_3)
    port = await echo_server(nursery, context)
    async with open_websocket(f"wss://localhost:{port}/", {"caPath": certificates.ca}) as stream:
        certificate: Any = stream.extra(TLSAttribute.peer_certificate)
        assert ("DNS", "localhost") in certificate["subjectAltName"]
        der = stream.extra(TLSAttribute.peer_certificate_binary)
        assert der is not None
        assert int(certificate["serialNumber"], 16) == x509.load_der_x509_certificate(der).serial_number
        assert "TLSv1.3" == stream.extra(TLSAttribute.tls_version)
        assert "TLSv1.3" == stream.extra(TLSAttribute.cipher)[1]
        assert None is stream.extra(TLSAttribute.alpn_protocol)
        assert False is stream.extra(TLSAttribute.server_side)
        assert None is stream.extra(TLSAttribute.shared_ciphers)
        assert False is stream.extra(TLSAttribute.standard_compatible)
        assert port == stream.extra(anyio.abc.SocketAttribute.remote_port)
        assert "certificate" not in repr(stream.websocket.tls)
    nursery.cancel_scope.cancel()


# Over a byte stream


async def test_over_a_byte_stream(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    """Whatever carries bytes carries a WebSocket; it is closed at the end, and its attributes are ours."""
    carrier = memory_bytes(echo, nursery)
    async with open_websocket_over(carrier, URL, {"protocol": None}, close_timeout=1) as stream:
        assert [f"{'X' * 100_000}"] == await shout(stream, ["x" * 100_000])
        attribute: Any = Bytes
        assert "mine" == stream.extra(attribute)

    assert CloseResult(1000, "", clean=True) == stream.websocket.close_result
    assert 0 < carrier.closed


async def test_over_a_stream_that_breaks(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """A broken byte stream is a broken link."""
    carrier = memory_bytes(lambda peer: peer.accept(), nursery)
    async with open_websocket_over(carrier, URL) as stream:
        await carrier.stream.aclose()
        with pytest.raises(anyio.BrokenResourceError):
            await stream.receive()


async def test_a_stream_carries_one_connection(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """To connect again needs another one."""
    async with open_websocket_over(memory_bytes(echo, nursery), URL) as stream:
        await stream.aclose()
        with pytest.raises(BusinessError, match="was used for a connection already") as caught:
            await stream.websocket.connect(URL)

    assert 2302999 == caught.value.code


@pytest.mark.parametrize(
    ("url", "options", "code"), [("http://a/", None, 2302001), (URL, {"proxy": "system"}, 401)]
)
async def test_a_stream_of_an_attempt_that_fails(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, url: str, options: Any, code: int
) -> None:
    """It is closed all the same."""
    carrier = memory_bytes(ignoring, nursery)
    with pytest.raises(BusinessError) as caught:
        async with open_websocket_over(carrier, url, options):
            pass

    assert code == caught.value.code
    assert 1 == carrier.closed


async def test_over_anyio_s_tcp_and_tls(nursery: trio.Nursery, certificates: Certificates) -> None:
    """A stream that is TLS already is taken as it is, and its attributes tell of it."""
    port = await echo_server(nursery, certificates.server_context())
    context = ssl.create_default_context(cafile=certificates.ca)
    tcp = await anyio.connect_tcp("127.0.0.1", port)
    carrier = await TLSStream.wrap(tcp, hostname="localhost", ssl_context=context, standard_compatible=False)
    async with open_websocket_over(carrier, f"wss://localhost:{port}/") as stream:
        assert port == stream.extra(anyio.abc.SocketAttribute.remote_port)
        assert stream.extra(TLSAttribute.tls_version).startswith("TLSv1")
        assert ["HI"] == await shout(stream, ["hi"])
    nursery.cancel_scope.cancel()


async def test_tls_over_a_byte_stream(nursery: trio.Nursery, certificates: Certificates) -> None:
    """Over a plain one, ``wss://`` means TLS, as the options say: nothing is sent in the open."""
    port = await echo_server(nursery, certificates.server_context())
    url = f"wss://localhost:{port}/"
    with pytest.raises(BusinessError, match="certificate verify failed"):
        async with open_websocket_over(await anyio.connect_tcp("127.0.0.1", port), url):
            pass
    options = {"caPath": certificates.ca, "minSupportTlsProtocol": TlsProtocol.TLS_V_1_3}
    async with open_websocket_over(await anyio.connect_tcp("127.0.0.1", port), url, options) as stream:
        assert "TLSv1.3" == stream.extra(TLSAttribute.tls_version)
        assert port == stream.extra(anyio.abc.SocketAttribute.remote_port)
        assert ["HI"] == await shout(stream, ["hi"])
    nursery.cancel_scope.cancel()
