"""What TLS adds to a transport; what it has in common with the others is in `test_transport`."""

import ssl
from collections.abc import Sequence
from typing import cast

import pytest
import trio
import trio.testing

from tests.nursery.loopback import open_tcp_pair, reset
from tests.nursery.test_transport import (
    Connect,
    LargeFrame,
    Receiver,
    tls_1_2,
    tls_1_3,
    tls_over_memory,
    tls_within_tls,
)
from tests.tls_ends import RECORD, connected, each_version, numbered, secure
from trio_ohws._wire.scratch import Scratch
from trio_ohws._wire.tls import TlsLayer
from trio_ohws.nursery.takeover import as_transport
from trio_ohws.nursery.tls_transport import TlsTransport
from trio_ohws.nursery.transport import LINK_ERRORS, Sink, StreamTransport, Transport

each = pytest.mark.parametrize(
    "connect",
    [tls_1_2, tls_1_3, tls_over_memory, tls_within_tls],
    ids=lambda connect: connect.__name__,
)
each_over_sockets = pytest.mark.parametrize(
    "connect", [tls_1_2, tls_1_3, tls_within_tls], ids=lambda connect: connect.__name__
)


async def receive_exactly(stream: trio.abc.Stream, size: int) -> bytes:
    """Receive until there are `size` bytes."""
    data = bytearray()
    while len(data) < size:
        piece = await stream.receive_some(1_000_000)
        assert piece, "that was the end"
        data += piece
    return bytes(data)


async def close(transport: Transport, theirs: trio.abc.Stream) -> None:
    """Close both ends."""
    await transport.abort()
    await trio.aclose_forcefully(theirs)


@each
async def test_it_is_taken_over(connect: Connect) -> None:
    """However deep TLS is within TLS."""
    transport, theirs = await connect()

    assert isinstance(transport, TlsTransport)
    await close(transport, theirs)


async def test_other_tls_streams_are_used_as_they_are() -> None:
    """What was not made to be taken over reads and writes by its own methods."""
    ours, _ = trio.testing.memory_stream_pair()
    stream = trio.SSLStream(ours, ssl.create_default_context(), server_hostname="elsewhere.example")

    assert isinstance(as_transport(stream), StreamTransport)
    await trio.lowlevel.checkpoint()


class Arrivals:
    """A transport on which bytes have arrived already, as many as ever fit.

    Args:
        data: the bytes.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data

    def write_now(self, *parts: bytes | memoryview) -> int:
        """See `Transport`."""
        return sum(map(len, parts))

    async def write(self, buffers: Sequence[bytes | memoryview]) -> None:
        """See `Transport`."""
        await trio.lowlevel.checkpoint()

    def read_now(self, size: int) -> bytes:
        """See `Transport`."""
        raise NotImplementedError

    async def receive_into(self, sink: Sink) -> int:
        """See `Transport`."""
        await trio.lowlevel.checkpoint()
        buffer = sink.get_buffer()
        piece, self.data = self.data[: len(buffer)], self.data[len(buffer) :]
        buffer[: len(piece)] = piece
        if piece:
            sink.buffer_updated(len(piece))
        return len(piece)

    async def send_eof(self) -> None:
        """See `Transport`."""
        raise NotImplementedError

    async def abort(self) -> None:
        """See `Transport`."""
        await trio.lowlevel.checkpoint()


def arrived(version: ssl.TLSVersion, *, broken: bool, size: int = 0) -> tuple[TlsTransport, bytes]:
    """Return a transport, and what can be read of it before the end, or a broken record."""
    layer, server = connected(version)
    sent = numbered(size)
    records = server.say(sent) if sent else b""
    last = bytearray(server.say(b"tampered with"))
    last[-1] ^= broken
    return TlsTransport(Arrivals(records + last), layer, Scratch()), sent + b"tampered with" * (not broken)


# Writing


@each_over_sockets
async def test_a_frame_is_written_at_once(connect: Connect) -> None:
    """Without a turn of the scheduler."""
    transport, theirs = await connect()

    assert 5 == transport.write_now(b"frame")
    assert 6 == transport.write_now(b"frames")
    assert b"frameframes" == await receive_exactly(theirs, 11)
    await close(transport, theirs)


@each_over_sockets
async def test_a_large_frame_is_not_written_at_once(connect: Connect) -> None:
    """It comes in parts, or is many small ones, and is encrypted piece by piece as the peer takes it."""
    transport, theirs = await connect()

    assert 0 == transport.write_now(b"head", b"payload")
    assert 0 == transport.write_now(bytes(65537))
    await transport.write([b"head", b"payload"])
    assert b"headpayload" == await receive_exactly(theirs, 11)
    await close(transport, theirs)


async def test_a_stream_below_is_not_written_at_once() -> None:
    """What was encrypted goes first when it is offered again."""
    transport, theirs = await tls_over_memory()

    assert 0 == transport.write_now(b"frame")
    assert 0 == transport.write_now(b"frame, and more")
    await transport.write([b"frame, ", b"", b"and", b" more"])
    await transport.write([b"!"])
    assert b"frame, and more!" == await receive_exactly(theirs, 16)
    await close(transport, theirs)


async def small_tls(version: ssl.TLSVersion) -> tuple[Transport, trio.abc.Stream]:
    """Return a transport and the other end, between which the kernel holds little."""
    ours, theirs = await secure(*await open_tcp_pair(20_000), version)
    return as_transport(ours), theirs


def fill(transport: Transport, offered: bytes) -> tuple[int, int]:
    """Offer bytes by thousands and three thousands, until none are taken.

    Returns:
        How many were taken, and how many were offered in vain.
    """
    done, size = 0, 1000
    while True:
        taken = transport.write_now(offered[done : done + size])
        done += taken
        if not taken:
            return done, size
        size = 4000 - size


@each_version
async def test_what_was_told_of_is_with_the_operating_system(version: ssl.TLSVersion) -> None:
    """The peer gets all of it, though nothing else happens here."""
    transport, theirs = await small_tls(version)
    sent = numbered(10_000_000)
    done, _ = fill(transport, sent)

    assert 1000 < done < len(sent)
    assert sent[:done] == await receive_exactly(theirs, done)
    await close(transport, theirs)


@each_version
@pytest.mark.parametrize("reads", [0, 1, 20_000, 1_000_000])
@pytest.mark.parametrize("joined", [0, 1, 3000, 500_000])
async def test_what_was_not_taken_is_offered_again(version: ssl.TLSVersion, reads: int, joined: int) -> None:
    """At once, or by a write, joined with what follows: the peer gets every byte once, in order."""
    transport, theirs = await small_tls(version)
    sent = numbered(4_000_000)
    done, offered = fill(transport, sent)
    received = b""
    for _ in range(3):
        if reads:
            received += await theirs.receive_some(reads)
        done += transport.write_now(sent[done : done + offered + joined])
        offered = 0
    rest = sent[done:]

    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def write() -> None:
            await transport.write([rest[:2999], b"", rest[2999:10_000], rest[10_000:]])
            await transport.write([b"and on"])

        received += await receive_exactly(theirs, len(sent) + 6 - len(received))

    assert sent + b"and on" == received
    assert 4 == transport.write_now(b"last")
    assert b"last" == await receive_exactly(theirs, 4)
    await close(transport, theirs)


async def test_nothing_is_written_at_once_while_another_writes() -> None:
    """It would come in the middle of that."""
    transport, theirs = await small_tls(ssl.TLSVersion.TLSv1_3)
    sent = numbered(4_000_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.write, [sent])
        await trio.testing.wait_all_tasks_blocked()
        assert 0 == transport.write_now(b"frame")
        nursery.start_soon(transport.write, [b"next"])
        assert sent + b"next" == await receive_exactly(theirs, len(sent) + 4)

    assert 5 == transport.write_now(b"frame")
    await close(transport, theirs)


@each
async def test_a_waiting_write_leaves_reading_alone(connect: Connect) -> None:
    """A peer that writes before it reads on gets its way."""
    transport, theirs = await connect()
    sent, answer = numbered(8_000_000), numbered(1_000_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.write, [sent])
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(theirs.send_all, answer)
        assert answer == await Receiver(100_000).receive_exactly(transport, len(answer))
        assert sent == await receive_exactly(theirs, len(sent))

    await close(transport, theirs)


@each_version
async def test_what_openssl_refuses_is_a_dead_link(version: ssl.TLSVersion) -> None:
    """After a broken record, for example, there is no writing; the cause says what OpenSSL says."""
    transport, _ = arrived(version, broken=True)
    with pytest.raises(trio.BrokenResourceError):
        await Receiver().receive(transport)
    with pytest.raises(trio.BrokenResourceError) as now:
        transport.write_now(b"frame")
    with pytest.raises(trio.BrokenResourceError) as later:
        await transport.write([b"frame"])

    assert isinstance(now.value.__cause__, ssl.SSLError)
    assert isinstance(later.value.__cause__, ssl.SSLError)


@each_over_sockets
async def test_a_reset_is_a_dead_link(connect: Connect) -> None:
    """For reading and writing."""
    transport, theirs = await connect()
    below: trio.abc.Stream = theirs
    while isinstance(below, trio.SSLStream):
        below = below.transport_stream
    assert isinstance(below, trio.SocketStream)
    reset(below)
    with pytest.raises(LINK_ERRORS):
        await Receiver().receive(transport)
    with pytest.raises(LINK_ERRORS):
        transport.write_now(b"frame")
    with pytest.raises(LINK_ERRORS):
        await transport.write([b"frame"])
    await transport.abort()


@each
async def test_there_is_no_half_close(connect: Connect) -> None:
    """`send_eof` only gives others a turn."""
    transport, theirs = await connect()
    with trio.testing.assert_checkpoints():
        await transport.send_eof()
    await transport.write([b"frame"])

    assert b"frame" == await receive_exactly(theirs, 5)
    await close(transport, theirs)


# Reading


@each
@pytest.mark.parametrize("size", [1, 1000, 300_000])
@pytest.mark.parametrize("kind", [Receiver, LargeFrame])
async def test_a_flood_arrives_whole(connect: Connect, size: int, kind: type[Receiver]) -> None:
    """However little is taken at a time."""
    transport, theirs = await connect()
    sent = numbered(min(4000 * size, 6_000_000))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(theirs.send_all, sent)
        assert sent == await kind(size).receive_exactly(transport, len(sent))

    await close(transport, theirs)


@each_version
async def test_a_broken_record_is_told_after_those_before_it(version: ssl.TLSVersion) -> None:
    """As a dead link, as often as somebody asks; the cause says what OpenSSL says."""
    transport, sent = arrived(version, broken=True, size=40 * RECORD)

    assert sent == await Receiver(100_000).receive_exactly(transport, len(sent))
    for _ in range(2):
        with pytest.raises(trio.BrokenResourceError) as caught:
            await Receiver().receive(transport)
        assert isinstance(caught.value.__cause__, ssl.SSLError)
        assert "MAC" in str(caught.value.__cause__).upper()


async def test_a_broken_record_in_a_large_frame_is_told_after_it() -> None:
    """What came before it was given away already."""
    transport, sent = arrived(ssl.TLSVersion.TLSv1_3, broken=True, size=4 * RECORD)

    assert sent == await LargeFrame(RECORD).receive_exactly(transport, len(sent))
    with pytest.raises(trio.BrokenResourceError):
        await LargeFrame(RECORD).receive(transport)


@each_version
@pytest.mark.parametrize("kind", [Receiver, LargeFrame])
async def test_the_end_stays_the_end(version: ssl.TLSVersion, kind: type[Receiver]) -> None:
    """It comes after all that was sent, and each time again."""
    transport, sent = arrived(version, broken=False, size=40 * RECORD)

    assert sent == await kind(100_000).receive_exactly(transport, len(sent))
    for _ in range(3):
        with trio.testing.assert_checkpoints():
            assert b"" == await Receiver().receive(transport)


@each
async def test_what_is_already_there_gives_others_a_turn(connect: Connect) -> None:
    """A read that needs nothing of the network is a checkpoint, too, and if cancelled loses nothing."""
    transport, theirs = await connect()
    sent = numbered(5 * RECORD)
    receiver = Receiver(1000)
    received = b""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(theirs.send_all, sent)
        while len(received) < len(sent):
            with trio.CancelScope() as scope:
                scope.cancel()
                await receiver.receive(transport)
            assert scope.cancelled_caught
            with trio.testing.assert_checkpoints():
                received += await receiver.receive(transport)

    assert sent == received
    await close(transport, theirs)


@each
async def test_connections_share_memory(connect: Connect) -> None:
    """What has arrived and was not asked for yet is not kept in the memory that all of them share."""
    pairs = [await connect() for _ in range(3)]
    async with trio.open_nursery() as nursery:
        for number, (transport, theirs) in enumerate(pairs):

            @nursery.start_soon
            async def receive(
                transport: Transport = transport, sent: bytes = bytes([number]) * 400_000
            ) -> None:
                assert sent == await Receiver(10_000).receive_exactly(transport, len(sent))

            nursery.start_soon(theirs.send_all, bytes([number]) * 400_000)

    for transport, theirs in pairs:
        await close(transport, theirs)


@pytest.mark.parametrize("depth", [2, 3])
async def test_tls_within_tls_has_memory_of_its_own(depth: int) -> None:
    """What is decrypted does not land on what is still to be decrypted, however much has arrived."""
    ours, theirs = await secure(*await open_tcp_pair(1_000_000))
    for _ in range(depth - 1):
        ours, theirs = await secure(ours, theirs)
    transport = as_transport(ours)
    sent = numbered(8_000_000)
    received = b""

    async def send() -> None:
        for start in range(0, len(sent), 15_000):  # records end anywhere in what arrives together
            await theirs.send_all(sent[start : start + 15_000])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        while len(received) < len(sent):
            await trio.testing.wait_all_tasks_blocked()  # as much has arrived as the kernel holds
            received += await Receiver(300_000).receive(transport)

    assert sent == received
    await close(transport, theirs)


# Negotiating anew


class Negotiating:
    """A TLS of sorts, which encrypts nothing, and whose peer may negotiate anew.

    A "?" of the peer begins that, is answered by "!", and a "#" of the peer ends it. As with OpenSSL, a read
    gives what data there is meanwhile, a write is refused, and either of them goes on with the negotiation.

    Args:
        arrived: bytes that came with the handshake.
    """

    def __init__(self, arrived: bytes = b"") -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.incoming.write(arrived)
        self._negotiates = False
        self._data = b""

    def layer(self) -> TlsLayer:
        """Return it as if it were OpenSSL's."""
        return TlsLayer(cast(ssl.SSLObject, self), self.incoming, self.outgoing)

    def read(self, size: int, buffer: memoryview) -> int:
        """See `ssl.SSLObject`."""
        self._go_on()
        if not self._data:
            if self.incoming.eof:
                return 0
            raise ssl.SSLWantReadError
        piece, self._data = self._data[:size], self._data[size:]
        buffer[: len(piece)] = piece
        return len(piece)

    def write(self, data: memoryview) -> int:
        """See `ssl.SSLObject`."""
        self._go_on()
        if self._negotiates:
            raise ssl.SSLWantReadError
        return self.outgoing.write(data)

    def _go_on(self) -> None:
        for byte in self.incoming.read():
            if byte == ord("?"):
                self._negotiates = True
                self.outgoing.write(b"!")
            elif byte == ord("#"):
                self._negotiates = False
            else:
                self._data += bytes([byte])


async def negotiating(
    arrived: bytes = b"", *, lockstep: bool = False
) -> tuple[TlsTransport, trio.abc.Stream]:
    """Return a transport over TCP, or over a stream whose writes wait for their reader, and the other end."""
    ours, theirs = trio.testing.lockstep_stream_pair() if lockstep else await open_tcp_pair()
    return TlsTransport(as_transport(ours), Negotiating(arrived).layer(), Scratch()), theirs


async def test_an_answer_is_sent_though_nobody_writes() -> None:
    """Whoever reads sends it, before it waits for more."""
    transport, theirs = await negotiating()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Receiver().receive, transport)
        await theirs.send_all(b"?")
        assert b"!" == await theirs.receive_some()
        await theirs.send_all(b"#data")

    await close(transport, theirs)


async def test_an_answer_waits_for_a_write_that_is_under_way() -> None:
    """What was encrypted before goes before it, and the writer sends both; reading goes on meanwhile."""
    transport, theirs = await negotiating(lockstep=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.write, [b"first"])
        await trio.testing.wait_all_tasks_blocked()
        for said, heard in ((b"?one", b"one"), (b"#two", b"two")):
            async with trio.open_nursery() as sending:
                sending.start_soon(theirs.send_all, said)
                assert heard == await Receiver().receive(transport)
        assert b"first!" == await receive_exactly(theirs, 6)

    await close(transport, theirs)


async def test_an_answer_goes_before_what_is_written_next() -> None:
    """Whichever way that is written."""
    for at_once in (True, False):
        transport, theirs = await negotiating(b"?some#data")
        assert b"somedata" == await Receiver().receive(transport)
        if at_once:
            assert 4 == transport.write_now(b"next")
        else:
            await transport.write([b"next"])

        assert b"!next" == await receive_exactly(theirs, 5)
        await close(transport, theirs)


async def test_a_refused_write_waits_for_whoever_reads() -> None:
    """Then it succeeds, and nothing of it is sent twice."""
    transport, theirs = await negotiating(b"?")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Receiver().receive, transport)
        assert b"!" == await theirs.receive_some()
        assert 0 == transport.write_now(b"one")
        nursery.start_soon(transport.write, [b"one", b"two"])
        await trio.testing.wait_all_tasks_blocked()
        assert 0 == transport.write_now(b"meanwhile")
        await theirs.send_all(b"#")
        assert b"onetwo" == await receive_exactly(theirs, 6)
        await theirs.send_all(b"data")

    await close(transport, theirs)


async def test_a_refused_write_reads_by_itself() -> None:
    """If nobody else does, since the program takes no messages; what it reads is for the next reader."""
    transport, theirs = await negotiating(b"?")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.write, [b"one", b"two"])
        assert b"!" == await theirs.receive_some()
        await theirs.send_all(b"da")
        await trio.testing.wait_all_tasks_blocked()
        await theirs.send_all(b"ta#")
        assert b"onetwo" == await receive_exactly(theirs, 6)

    assert b"data" == await Receiver().receive(transport)
    await close(transport, theirs)


async def test_a_reader_waits_for_a_write_that_reads() -> None:
    """It gets what that has read, and the end, too."""
    transport, theirs = await negotiating(b"?")
    received: list[bytes] = []

    async def read() -> None:
        while data := await Receiver().receive(transport):
            received.append(data)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.write, [b"written"])
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        await theirs.send_all(b"one")
        await trio.testing.wait_all_tasks_blocked()
        assert [b"one"] == received
        await theirs.send_all(b"#two")
        assert b"!written" == await receive_exactly(theirs, 8)
        await theirs.aclose()

    assert b"onetwo" == b"".join(received)
    await transport.abort()


async def test_a_refused_write_looks_again_after_it_has_sent() -> None:
    """What it wants to read may have been read meanwhile, and nothing more may come."""
    transport, theirs = await negotiating(b"?", lockstep=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.write, [b"written"])
        await trio.testing.wait_all_tasks_blocked()  # it sends the answer
        nursery.start_soon(Receiver().receive, transport)
        await theirs.send_all(b"#")
        await trio.testing.wait_all_tasks_blocked()
        assert b"!written" == await receive_exactly(theirs, 8)
        await theirs.send_all(b"data")

    await close(transport, theirs)


async def test_a_refused_write_can_take_over_from_a_reader() -> None:
    """If the reader for whom it waits is cancelled, it reads by itself."""
    transport, theirs = await negotiating(b"?")
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as reading:
            async with trio.open_nursery() as readers:
                readers.start_soon(Receiver().receive, transport)
                assert b"!" == await theirs.receive_some()
                nursery.start_soon(transport.write, [b"written"])
                await trio.testing.wait_all_tasks_blocked()
                reading.cancel()
        await theirs.send_all(b"#")
        assert b"written" == await receive_exactly(theirs, 7)

    await close(transport, theirs)


@pytest.mark.parametrize("reads", [True, False])
async def test_a_refused_write_can_be_cancelled(reads: bool) -> None:
    """Whether it waits for a reader or reads; whoever reads then loses nothing, and another may write."""
    transport, theirs = await negotiating(b"?")
    async with trio.open_nursery() as nursery:
        if reads:
            nursery.start_soon(Receiver().receive, transport)
            await trio.testing.wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as writers:
                writers.start_soon(transport.write, [b"written"])
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        assert scope.cancelled_caught
        nursery.start_soon(transport.write, [b"another"])
        await trio.testing.wait_all_tasks_blocked()
        await theirs.send_all(b"#data")
    if not reads:
        assert b"data" == await Receiver().receive(transport)

    assert b"!another" == await receive_exactly(theirs, 8)
    await close(transport, theirs)


@pytest.mark.parametrize("reads", [True, False])
async def test_abort_wakes_a_refused_write(reads: bool) -> None:
    """Whether it waits for a reader or reads."""
    transport, theirs = await negotiating(b"?")

    async def read() -> None:
        with pytest.raises(LINK_ERRORS):
            await Receiver().receive(transport)

    async def write() -> None:
        with pytest.raises(LINK_ERRORS):
            await transport.write([b"written"])

    async with trio.open_nursery() as nursery:
        if reads:
            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(write)
        await trio.testing.wait_all_tasks_blocked()
        await transport.abort()
    await trio.aclose_forcefully(theirs)


async def test_a_refused_write_ends_with_the_connection() -> None:
    """The peer went away in the middle of it."""
    transport, theirs = await negotiating(b"?")
    reset(cast(trio.SocketStream, theirs))
    with pytest.raises(LINK_ERRORS):
        await transport.write([b"written"])

    await transport.abort()
