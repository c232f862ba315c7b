"""TLS that renews its keys in the middle of a connection, as OpenSSL's own server does it."""

import re
import ssl
from collections.abc import Callable, Sequence

import pytest
import trio
import trio.testing

from tests.certificates import Certificates
from tests.interop.openssl import LOOPBACK, Server, program, running
from tests.nursery.test_transport import Receiver
from trio_ohws._dial.tls_stream import tls_stream
from trio_ohws._wire.scratch import Scratch
from trio_ohws.nursery.takeover import Underlay, as_transport
from trio_ohws.nursery.tls_transport import TlsTransport
from trio_ohws.nursery.transport import Sink, Transport

DONE = "SSL_do_handshake -> 1"

KEY_UPDATE = pytest.param("-tls1_3", "k\n", id="key update")
KEY_UPDATE_REQUESTED = pytest.param("-tls1_3", "K\n", id="key update, and one of ours")
RENEGOTIATION = pytest.param("-tls1_2", "R\n", id="renegotiation")
each = pytest.mark.parametrize(("version", "command"), [KEY_UPDATE, KEY_UPDATE_REQUESTED, RENEGOTIATION])


@pytest.fixture
def openssl() -> str:
    """The program."""
    return program()


async def dial(certificates: Certificates, port: int) -> trio.SSLStream[trio.abc.Stream]:
    """Connect, and shake hands."""
    context = ssl.create_default_context(cafile=certificates.ca)
    stream = tls_stream(await trio.open_tcp_stream(LOOPBACK, port), "localhost", context)
    await stream.do_handshake()
    return stream


async def converse(transport: Transport, server: Server, number: int) -> None:
    """Let a line go each way."""
    await server.type(f"{number} of the server\n")
    line = f"{number} of the server\n".encode()
    assert line == await Receiver().receive_exactly(transport, len(line))
    await transport.write([f"{number} of the client\n".encode()])
    await server.prints(f"{number} of the client\n")


def lines(first: int, last: int) -> str:
    """Return numbered lines, none of which is a command."""
    return "".join(f"{number:099}\n" for number in range(first, last))


@each
async def test_what_is_said_before_and_after(
    openssl: str, certificates: Certificates, version: str, command: str
) -> None:
    """Time and again, both ways; the reader answers, or the next to write does."""
    async with running(openssl, certificates, version) as (server, port):
        transport = as_transport(await dial(certificates, port))
        await converse(transport, server, 0)
        for number in range(1, 4):
            await server.type(command)
            while number > server.printed.count(DONE):  # it prints that when it hears something
                await transport.write([b"tick\n"])
                await server.prints("tick\n")
            await converse(transport, server, number)
        await transport.abort()


@each
async def test_what_is_said_meanwhile(
    openssl: str, certificates: Certificates, version: str, command: str
) -> None:
    """We write a lot while it happens, then it writes a lot, and all of that arrives."""
    async with running(openssl, certificates, version) as (server, port):
        transport = as_transport(await dial(certificates, port))
        received = b""

        async def read() -> None:
            nonlocal received
            while True:
                received += await Receiver(100_000).receive(transport)

        written = typed = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            while written < 10_000 or server.printed.count(DONE) < 3:
                if typed == server.printed.count(DONE) < 3:
                    typed += 1
                    await server.type(command)
                piece = lines(written, written + 100).encode()
                taken = transport.write_now(piece)
                await transport.write([piece[taken:]])
                written += 100
                await trio.lowlevel.checkpoint()
            await server.prints(lines(written - 1, written))
            nursery.cancel_scope.cancel()

        assert lines(0, written) == "".join(re.findall(r"\d{99}\n", server.printed))
        assert b"" == received

        sent = lines(0, 10_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.type, sent)
            received = await Receiver(100_000).receive_exactly(transport, len(sent))
        assert sent == received.decode()
        await transport.abort()


class Watched:
    """A transport that says when something was written.

    Args:
        transport: the real one.
        wrote: is called.
    """

    def __init__(self, transport: Transport, wrote: Callable[[], object]) -> None:
        self._transport = transport
        self._wrote = wrote

    def write_now(self, *parts: bytes | memoryview) -> int:
        """See `Transport`."""
        return self._transport.write_now(*parts)

    async def write(self, buffers: Sequence[bytes | memoryview]) -> None:
        """See `Transport`."""
        await self._transport.write(buffers)
        self._wrote()

    def read_now(self, size: int) -> bytes:
        """See `Transport`."""
        return self._transport.read_now(size)

    async def receive_into(self, sink: Sink) -> int:
        """See `Transport`."""
        return await self._transport.receive_into(sink)

    async def send_eof(self) -> None:
        """See `Transport`."""
        await self._transport.send_eof()

    async def abort(self) -> None:
        """See `Transport`."""
        await self._transport.abort()


@pytest.mark.parametrize("reads", [True, False])
async def test_a_write_that_openssl_refuses(openssl: str, certificates: Certificates, reads: bool) -> None:
    """In the middle of a renegotiation it waits for the reader, or reads by itself, and succeeds then."""
    async with running(openssl, certificates, "-tls1_2") as (server, port):
        underlay = (await dial(certificates, port)).transport_stream
        assert isinstance(underlay, Underlay)
        answered = trio.CancelScope()
        below = Watched(as_transport(underlay.stream), answered.cancel)
        transport = TlsTransport(below, underlay.layer, Scratch())
        await server.type("R\n")
        with answered:
            await Receiver().receive(transport)

        assert answered.cancelled_caught
        assert 0 == transport.write_now(b"1 refused at first\n")
        async with trio.open_nursery() as nursery:
            if reads:
                nursery.start_soon(Receiver().receive, transport)
            nursery.start_soon(transport.write, [b"1 refused at first\n"])
            await server.prints("1 refused at first\n")
            if reads:
                await server.type("1 of the server\n")
        await converse(transport, server, 2)
        await transport.abort()
