"""All records that have arrived are read at once, in their order, and what ends them comes after them."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio
import trio.testing
import trustme

from trio_ohws._dial.records import tls_stream

HOST = "records.example"
CA = trustme.CA()
SERVER = CA.issue_cert(HOST)
RECORD = 16384  # bytes of plaintext at most
READ = 262144  # bytes that are read from the network at most


class Wire(trio.abc.Stream):
    """The client's end of a connection to a server that is written by hand: what it says arrives at once.

    Attributes:
        reads: how often the client has asked for bytes.
    """

    def __init__(self, version: ssl.TLSVersion) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = version
        SERVER.configure_cert(context)
        self._heard, self._said = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = context.wrap_bio(self._heard, self._said, server_side=True)
        self.reads = 0
        self.ended = False

    def records(self) -> bytes:
        """Take out what the server has said."""
        return self._said.read()

    def arrive(self, records: bytes | bytearray) -> None:
        """Let these be what the client receives next."""
        self._said.write(records)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        self._heard.write(data)
        with suppress(ssl.SSLError):  # it may want more, or hear that we give up
            self.server.read(RECORD)  # goes on with the handshake, too

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        self.reads += 1
        assert self._said.pending or self.ended, "the client would wait for ever"
        return self._said.read(max_bytes or READ)

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


Connected = tuple[trio.SSLStream[trio.abc.Stream], Wire]


@asynccontextmanager
async def connected(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> AsyncIterator[Connected]:
    """Shake hands."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CA.configure_trust(context)
    wire = Wire(version)
    stream = tls_stream(wire, HOST, context)
    await stream.do_handshake()
    wire.reads = 0
    yield stream, wire
    await trio.aclose_forcefully(stream)


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    """Each version that is spoken."""
    found: ssl.TLSVersion = request.param
    return found


def numbered(size: int) -> bytes:
    """Bytes of which no two stretches are alike."""
    return b"".join(index.to_bytes(4, "big") for index in range(size // 4))


async def test_all_records_that_have_arrived_are_one_read(version: ssl.TLSVersion) -> None:
    """Ten records take one read of the network, and one call."""
    async with connected(version) as (stream, wire):
        sent = numbered(10 * RECORD)
        wire.server.write(sent)
        assert sent == await stream.receive_some(READ)
        assert wire.reads == 1


async def test_a_flood_takes_no_more_calls_than_reads(version: ssl.TLSVersion) -> None:
    """What one read of the network brought fits one call, the rest of a record from before it included."""
    async with connected(version) as (stream, wire):
        size = 100 * (4 * RECORD + 10)
        for _ in range(100):
            wire.server.write(bytes(4 * RECORD + 10))
        received, calls = 0, 0
        while received < size:
            received += len(await stream.receive_some(READ))
            calls += 1
        assert wire.reads == calls


async def test_more_than_is_asked_for_is_kept(version: ssl.TLSVersion) -> None:
    """Whatever the sizes of the reads are, all of it comes, in its order."""
    async with connected(version) as (stream, wire):
        sent = numbered(20 * RECORD)
        wire.server.write(sent)
        received = b""
        for size in [1, 100, RECORD - 1, RECORD + 1, 3 * RECORD, READ, READ, READ]:
            if len(received) < len(sent):
                piece = await stream.receive_some(size)
                assert 0 < len(piece) <= size
                received += piece
        assert sent == received


async def test_half_a_record_waits_for_its_other_half() -> None:
    """What is whole is not kept waiting by it."""
    async with connected() as (stream, wire):
        sent = numbered(3 * RECORD)
        wire.server.write(sent)
        records = wire.records()
        wire.arrive(records[:-100])
        assert sent[: 2 * RECORD] == await stream.receive_some(READ)
        wire.arrive(records[-100:])
        assert sent[2 * RECORD :] == await stream.receive_some(READ)


async def test_a_broken_record_is_told_after_those_before_it(version: ssl.TLSVersion) -> None:
    """And it stays broken."""
    async with connected(version) as (stream, wire):
        sent = numbered(2 * RECORD)
        wire.server.write(sent)
        wire.server.write(b"tampered with")
        records = bytearray(wire.records())
        records[-1] ^= 1
        wire.arrive(records)
        assert sent == await stream.receive_some(READ)
        for _ in range(2):
            with pytest.raises(trio.BrokenResourceError):
                await stream.receive_some(READ)


async def test_the_first_record_may_be_the_broken_one() -> None:
    """The cause says what it was."""
    async with connected() as (stream, wire):
        wire.server.write(b"tampered with")
        records = bytearray(wire.records())
        records[-1] ^= 1
        wire.arrive(records)
        with pytest.raises(trio.BrokenResourceError) as caught:
            await stream.receive_some(READ)
        assert isinstance(caught.value.__cause__, ssl.SSLError)
        assert "MAC" in str(caught.value.__cause__).upper()


@pytest.mark.parametrize("polite", [True, False])
async def test_the_end_comes_after_the_last_record(version: ssl.TLSVersion, polite: bool) -> None:
    """With close_notify or without it, which HTTP allows."""
    async with connected(version) as (stream, wire):
        sent = numbered(2 * RECORD)
        wire.server.write(sent)
        if polite:
            with pytest.raises(ssl.SSLWantReadError):
                wire.server.unwrap()
        wire.ended = True
        assert sent == await stream.receive_some(READ)
        assert await stream.receive_some(READ) == b""


async def test_what_was_read_is_not_kept() -> None:
    """An idle connection holds nothing of its last read."""
    async with connected() as (stream, wire):
        wire.server.write(numbered(10 * RECORD))
        await stream.receive_some(READ)
        stapled = stream.transport_stream
        assert isinstance(stapled, trio.StapledStream)
        assert b"" == stapled.receive_stream.waiting.obj


async def test_whoever_asks_for_less_gets_the_rest_next() -> None:
    """Without another read of the network; a handshake that is longer than a sip asks so."""
    async with connected() as (stream, wire):
        stapled = stream.transport_stream
        assert isinstance(stapled, trio.StapledStream)
        sent = numbered(100000)
        wire.records()  # the server's session tickets
        wire.arrive(sent)
        received = [bytes(await stapled.receive_some(size)) for size in (1000, None, None)]
        assert [1000, 65536, 100000 - 66536] == [len(piece) for piece in received]
        assert sent == b"".join(received)
        assert wire.reads == 1


async def test_a_cancelled_read_loses_nothing() -> None:
    """What had arrived is there for the next one."""
    async with connected() as (stream, wire):
        sent = numbered(10 * RECORD)
        wire.server.write(sent)
        received = bytes(await stream.receive_some(RECORD))
        while len(received) < len(sent):
            with trio.move_on_after(0) as scope:
                received += await stream.receive_some(RECORD)
            assert scope.cancelled_caught
            received += await stream.receive_some(RECORD)
        assert sent == received
