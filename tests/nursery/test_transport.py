"""What a session asks of a stream: of a plain socket, and of any other stream."""

import socket
import ssl
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from tests.nursery.loopback import open_tcp_pair, reset
from tests.tls_ends import secure
from trio_ohws.nursery.takeover import as_transport
from trio_ohws.nursery.transport import (
    LINK_ERRORS,
    SocketTransport,
    StreamTransport,
    Transport,
)

Connect = Callable[[], Awaitable[tuple[Transport, trio.abc.Stream]]]

FAR_TOO_MUCH = b"x" * 10_000_000


class Receiver:
    """A sink, which knows how often its memory was asked for."""

    def __init__(self, size: int = 1000) -> None:
        self.memory = bytearray(size)
        self.asked = 0
        self._data = b""

    def get_buffer(self) -> memoryview:
        """See `Sink`."""
        self.asked += 1
        return memoryview(self.memory)

    def buffer_updated(self, count: int) -> bool:
        """See `Sink`."""
        self.feed(bytes(self.memory[:count]))
        return False

    def feed(self, data: bytes | bytearray) -> None:
        """See `Sink`."""
        assert data, "the end is no data"
        self._data += data

    async def receive(self, transport: Transport) -> bytes:
        """Receive once."""
        count = await transport.receive_into(self)
        data, self._data = self._data, b""
        assert count == len(data)
        return data

    async def receive_exactly(self, transport: Transport, size: int) -> bytes:
        """Receive until there are `size` bytes."""
        data = b""
        while len(data) < size:
            data += await self.receive(transport)
        return data


async def tcp() -> tuple[Transport, trio.abc.Stream]:
    """Return a transport over TCP, and the other end."""
    ours, theirs = await open_tcp_pair()
    return as_transport(ours), theirs


async def memory() -> tuple[Transport, trio.abc.Stream]:
    """Return a transport over a memory stream, and the other end."""
    ours, theirs = trio.testing.memory_stream_pair()
    await trio.lowlevel.checkpoint()
    return as_transport(ours), theirs


async def tls_1_2() -> tuple[Transport, trio.abc.Stream]:
    """Return a transport with TLS 1.2 over TCP, and the other end."""
    ours, theirs = await secure(*await open_tcp_pair(), ssl.TLSVersion.TLSv1_2)
    return as_transport(ours), theirs


async def tls_1_3() -> tuple[Transport, trio.abc.Stream]:
    """Return a transport with TLS 1.3 over TCP, and the other end."""
    ours, theirs = await secure(*await open_tcp_pair())
    return as_transport(ours), theirs


async def tls_over_memory() -> tuple[Transport, trio.abc.Stream]:
    """Return a transport with TLS over a memory stream, and the other end."""
    ours, theirs = await secure(*trio.testing.memory_stream_pair())
    return as_transport(ours), theirs


async def tls_within_tls() -> tuple[Transport, trio.abc.Stream]:
    """Return a transport as there is through an https:// proxy, and the other end."""
    ours, theirs = await secure(*await secure(*await open_tcp_pair()))
    return as_transport(ours), theirs


OVER_SOCKETS = [tcp, tls_1_2, tls_1_3, tls_within_tls]
OVER_MEMORY = [memory, tls_over_memory]

each = pytest.mark.parametrize("connect", [*OVER_SOCKETS, *OVER_MEMORY], ids=lambda connect: connect.__name__)
each_over_sockets = pytest.mark.parametrize("connect", OVER_SOCKETS, ids=lambda connect: connect.__name__)


async def test_a_plain_socket_is_taken_over() -> None:
    """Trio's socket gives it up, so that nothing but the transport can close or use it."""
    ours, theirs = await open_tcp_pair()
    transport = as_transport(ours)

    assert isinstance(transport, SocketTransport)
    assert -1 == ours.socket.fileno()
    await ours.aclose()
    assert 5 == transport.write_now(b"alive")
    assert b"alive" == await theirs.receive_some()
    await transport.abort()
    await theirs.aclose()


def test_any_other_stream_is_used_as_it_is() -> None:
    """A stream that is no plain socket is read and written by its own methods, and never at once."""
    ours, _ = trio.testing.memory_stream_pair()
    transport = as_transport(ours)

    assert isinstance(transport, StreamTransport)
    assert 0 == transport.write_now(b"frame")


class Asked(trio.abc.ReceiveStream):
    """A stream that notes how much it is asked for."""

    def __init__(self) -> None:
        self.at_most: list[int | None] = []

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Note it."""
        await trio.lowlevel.checkpoint()
        self.at_most.append(max_bytes)
        return b"record"

    async def aclose(self) -> None:
        """Do nothing."""
        await trio.lowlevel.checkpoint()


async def test_a_stream_is_asked_for_little_at_a_time() -> None:
    """However large a frame: a stream may make an object of that size for each record."""
    asked = Asked()
    transport = StreamTransport(trio.StapledStream(trio.testing.MemorySendStream(), asked))

    assert b"record" == await Receiver(50_000_000).receive(transport)
    assert [262144] == asked.at_most


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="an option of Linux and macOS")
@pytest.mark.parametrize(("size", "meanwhile"), [(60_000, 16384), (50_000_000, 50_000_000)])
async def test_a_large_frame_may_wait_in_the_kernel_whole(size: int, meanwhile: int) -> None:
    """And what comes after it no more than before."""
    ours, theirs = await open_tcp_pair()
    seen = ours.socket.dup()
    transport = as_transport(ours)

    def unsent() -> int:
        return seen.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.write, [b"h" * 10, b"x" * (size - 10)])
        await trio.testing.wait_all_tasks_blocked()
        during = unsent()
        left = size
        while left:
            left -= len(await theirs.receive_some(1_000_000))

    assert (meanwhile, 16384) == (during, unsent())
    seen.close()
    await transport.abort()
    await theirs.aclose()


# All kinds


@each
async def test_all_buffers_are_written(connect: Connect) -> None:
    """`write` writes each buffer whole and in order: empty ones, many, and huge ones too."""
    transport, theirs = await connect()
    buffers = [b"", b"head", b"", *(bytes((number % 256,)) * 3 for number in range(1000)), FAR_TOO_MUCH, b""]
    received = bytearray()

    async def peer() -> None:
        async for piece in theirs:
            received.extend(piece)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer)
        await transport.write(buffers)
        await transport.write([b"one"])
        await transport.write([])
        await transport.abort()

    assert b"".join(buffers) + b"one" == received
    await theirs.aclose()


@each
async def test_bytes_are_received_up_to_eof(connect: Connect) -> None:
    """`receive_into` gives away what is there, as often as there is something, and says 0 at the end."""
    transport, theirs = await connect()
    receiver = Receiver(1000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(theirs.send_all, bytes(range(250)) * 100)
        received = await receiver.receive_exactly(transport, 25000)
    await theirs.aclose()

    assert bytes(range(250)) * 100 == received
    assert b"" == await receiver.receive(transport)
    await transport.abort()


@each
async def test_the_buffer_is_asked_for_after_the_wait(connect: Connect) -> None:
    """Nothing runs between the arrival of the bytes and the return, so the memory may be shared."""
    transport, theirs = await connect()
    receiver = Receiver(5)
    log: list[str] = []

    async def other_task() -> None:
        while True:
            receiver.memory[:] = b"other"
            log.append("other")
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other_task)
        nursery.start_soon(send_later, theirs, b"bytes")
        received = await receiver.receive(transport)
        seen = bytes(receiver.memory)
        nursery.cancel_scope.cancel()

    assert b"bytes" == received
    assert seen == (b"other" if isinstance(transport, StreamTransport) else b"bytes")
    assert len(log) > 3
    await transport.abort()
    await theirs.aclose()


async def send_later(stream: trio.abc.Stream, data: bytes) -> None:
    """Send after some turns of the scheduler."""
    for _ in range(10):
        await trio.lowlevel.checkpoint()
    await stream.send_all(data)


@each
async def test_each_read_gives_others_a_turn(connect: Connect) -> None:
    """A peer that floods does not keep other tasks from running: each read is a checkpoint."""
    transport, theirs = await connect()
    receiver = Receiver(1000)
    for _ in range(20):
        await theirs.send_all(bytes(2000))
        with trio.testing.assert_checkpoints():
            await receiver.receive(transport)

    await transport.abort()
    await theirs.aclose()


@each
async def test_a_wait_can_be_cancelled(connect: Connect) -> None:
    """A cancelled read loses nothing, and a cancelled write comes back, although the peer does not read."""
    transport, theirs = await connect()
    receiver = Receiver()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receiver.receive, transport)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
    await theirs.send_all(b"late")

    assert scope.cancelled_caught
    assert b"late" == await receiver.receive(transport)
    await transport.abort()
    await theirs.aclose()


@each
async def test_a_dead_link_raises_what_is_documented(connect: Connect) -> None:
    """After `abort` every method fails with one of LINK_ERRORS."""
    transport, theirs = await connect()
    await transport.abort()
    with pytest.raises(LINK_ERRORS):
        await transport.write([b"frame"])
    with pytest.raises(LINK_ERRORS):
        await Receiver().receive(transport)
    await theirs.aclose()


@each
async def test_abort_wakes_the_reader(connect: Connect) -> None:
    """A read that waits in another task ends with one of LINK_ERRORS."""
    transport, theirs = await connect()
    failures: list[BaseException] = []

    async def read() -> None:
        with pytest.raises(LINK_ERRORS) as caught:
            await Receiver().receive(transport)
        failures.append(caught.value)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        await transport.abort()

    assert [trio.ClosedResourceError] == [type(failure) for failure in failures]
    await theirs.aclose()


@each
async def test_abort_is_seen_by_the_peer(connect: Connect) -> None:
    """The connection is released: the peer gets EOF, at once."""
    transport, theirs = await connect()
    await transport.abort()

    assert b"" == await theirs.receive_some()
    await theirs.aclose()


# Whatever is over a socket


@each_over_sockets
async def test_a_write_that_waits_can_be_cancelled(connect: Connect) -> None:
    """A peer that does not read holds a write for ever; cancelling ends it."""
    transport, theirs = await connect()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transport.write, [FAR_TOO_MUCH, FAR_TOO_MUCH])
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()

    assert scope.cancelled_caught
    await transport.abort()
    await theirs.aclose()


# TCP alone


async def test_a_system_that_does_not_gather(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each buffer is written by itself then, empty ones too; Windows is such a system."""
    monkeypatch.setattr("trio_ohws.nursery.transport._GATHERS", False)
    transport, theirs = await tcp()
    await transport.write([b"", b"head", b"", b"payload", b""])
    await transport.abort()

    assert b"headpayload" == b"".join([bytes(piece) async for piece in theirs])
    await theirs.aclose()


async def test_write_now_takes_what_the_kernel_has_room_for() -> None:
    """It writes a part when that is all there is room for, then nothing, without waiting."""
    transport, theirs = await tcp()
    first = transport.write_now(FAR_TOO_MUCH)
    while transport.write_now(FAR_TOO_MUCH):
        pass

    assert 0 < first < len(FAR_TOO_MUCH)
    assert 0 == transport.write_now(b"frame")
    await transport.abort()
    await theirs.aclose()


class LargeFrame(Receiver):
    """A sink in the middle of a large frame: more may always follow at once."""

    def __init__(self, size: int = 100_000) -> None:
        super().__init__(size)
        self.turns = 0
        self.turn_of: list[int] = []  # in which turn memory was asked for

    def get_buffer(self) -> memoryview:
        """See `Sink`."""
        self.turn_of.append(self.turns)
        return super().get_buffer()

    def buffer_updated(self, count: int) -> bool:
        """See `Sink`."""
        super().buffer_updated(count)
        return True

    async def count_turns(self) -> None:
        """Count the turns that others get."""
        while True:
            self.turns += 1
            await trio.lowlevel.checkpoint()


async def arrived(data: bytes) -> tuple[Transport, trio.SocketStream]:
    """Return a transport on which bytes have arrived, and the other end."""
    theirs, ours = await open_tcp_pair(1_000_000)
    await theirs.send_all(data)
    await trio.testing.wait_all_tasks_blocked()
    return as_transport(ours), theirs


async def test_a_large_frame_is_read_on_without_a_turn() -> None:
    """What has arrived of it is taken at once, in the memory that the sink wants it in."""
    data = bytes(range(250)) * 800
    transport, theirs = await arrived(data)
    sink = LargeFrame(70_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sink.count_turns)
        received = await sink.receive(transport)
        nursery.cancel_scope.cancel()

    assert data == received
    assert 3 == len(sink.turn_of)  # the last one left room, and was little
    assert 1 == len(set(sink.turn_of))
    await transport.abort()
    await theirs.aclose()


async def test_little_is_not_read_on() -> None:
    """A read that brings little is not followed by one that may be in vain."""
    transport, theirs = await arrived(bytes(100_000))
    sink = LargeFrame(1000)

    assert bytes(1000) == await sink.receive(transport)
    assert 1 == sink.asked
    await transport.abort()
    await theirs.aclose()


async def test_a_read_in_vain_ends_the_turn() -> None:
    """What was taken until then is returned, and the next read waits for the network."""
    transport, theirs = await arrived(bytes(70_000))
    sink = LargeFrame(70_000)

    assert bytes(70_000) == await sink.receive(transport)
    assert 2 == sink.asked
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sink.receive, transport)
        await trio.testing.wait_all_tasks_blocked()
        assert 2 == sink.asked
        await theirs.send_all(b"late")
    await transport.abort()
    await theirs.aclose()


class Endless(socket.socket):
    """A socket on which as much has arrived as anybody asks for."""

    def recv_into(self, buffer: object, *_: int) -> int:
        """Receive what is in the buffer already."""
        assert isinstance(buffer, memoryview)
        return len(buffer)


async def test_a_flood_in_a_large_frame_gives_others_a_turn() -> None:
    """After 1 MiB, and whatever fills the memory that was asked for last."""
    left, right = socket.socketpair()
    right.send(b"something")
    left.setblocking(False)
    transport = SocketTransport(Endless(left.family, left.type, left.proto, left.detach()))
    for _ in range(3):
        with trio.testing.assert_checkpoints():
            assert 1_100_000 == len(await LargeFrame().receive(transport))

    await transport.abort()
    right.close()


async def test_a_reset_in_a_large_frame_is_told_after_what_came_before_it() -> None:
    """By the next read, and each one after that; nothing that had arrived is lost."""
    data = bytes(range(250)) * 800
    transport, theirs = await arrived(data)
    reset(theirs)
    sink = LargeFrame()

    assert data == await sink.receive(transport)
    assert 3 == sink.asked  # the reset was seen already
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            await sink.receive(transport)
    await transport.abort()


async def test_eof_in_a_large_frame_is_told_after_what_came_before_it() -> None:
    """By the next read, and each one after that."""
    data = bytes(range(250)) * 800
    transport, theirs = await arrived(data)
    await theirs.aclose()
    sink = LargeFrame()

    assert data == await sink.receive(transport)
    assert 3 == sink.asked  # the end was seen already
    for _ in range(2):
        assert b"" == await sink.receive(transport)
    await transport.abort()


@each
async def test_where_nothing_is_there_nothing_is_read_now(connect: Connect) -> None:
    """Nor by a stream in any case, which could not but wait; and nothing is lost by asking."""
    transport, theirs = await connect()

    assert b"" == transport.read_now(10)
    await theirs.send_all(b"bytes")
    assert b"bytes" == await Receiver().receive(transport)
    await transport.abort()
    await theirs.aclose()


async def test_what_is_there_is_read_now() -> None:
    """So much of it as is asked for, or all; then there is nothing."""
    transport, theirs = await arrived(b"bytes")

    assert [b"byt", b"es", b""] == [transport.read_now(3) for _ in range(3)]
    await transport.abort()
    await theirs.aclose()


@pytest.mark.parametrize("size", [5, 6], ids=["all that was asked for", "less"])
async def test_the_next_read_tries_or_waits(size: int) -> None:
    """As after one that waited: it tries first, with a turn for others, if there may be more."""
    transport, theirs = await arrived(b"bytes")
    transport.read_now(size)
    sink = Receiver()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sink.receive, transport)
        await trio.testing.wait_all_tasks_blocked()
        assert (size == 5) == sink.asked
        await theirs.send_all(b"late")
    await transport.abort()
    await theirs.aclose()


async def test_a_reset_that_is_read_now_is_told_by_the_next_read() -> None:
    """And what came before it is there."""
    transport, theirs = await arrived(b"bytes")
    reset(theirs)

    assert [b"bytes", b"", b""] == [transport.read_now(5) for _ in range(3)]
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            await Receiver().receive(transport)
    await transport.abort()


async def test_eof_that_is_read_now_is_told_by_the_next_read() -> None:
    """Each of them."""
    transport, theirs = await arrived(b"bytes")
    await theirs.aclose()

    assert [b"bytes", b""] == [transport.read_now(6) for _ in range(2)]
    for _ in range(2):
        assert b"" == await Receiver().receive(transport)
    await transport.abort()


class Frame(LargeFrame):
    """A sink in the middle of a large frame, whose memory ends where the frame does."""

    def __init__(self, missing: int) -> None:
        super().__init__(missing)
        self.missing = missing

    def get_buffer(self) -> memoryview:
        """See `Sink`."""
        return super().get_buffer()[: self.missing] if self.missing else memoryview(bytearray(1000))

    def buffer_updated(self, count: int) -> bool:
        """See `Sink`."""
        self.missing -= count
        return super().buffer_updated(count)


async def in_a_frame(
    monkeypatch: pytest.MonkeyPatch, *, patience: float = 60
) -> tuple[Transport, trio.SocketStream, Frame]:
    """Return a transport of which a large frame's beginning was read, the other end, and the sink."""
    monkeypatch.setattr("trio_ohws.nursery.transport._PATIENCE", patience)
    transport, theirs = await arrived(bytes(1000))
    sink = Frame(101_000)  # less than the least buffer that the kernel may have
    assert bytes(1000) == await sink.receive(transport)
    return transport, theirs, sink


async def test_the_rest_of_a_large_frame_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader is woken once, and not for each segment; after the frame again for each byte."""
    transport, theirs, sink = await in_a_frame(monkeypatch)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sink.receive_exactly, transport, 100_000)
        for _ in range(10):
            await trio.testing.wait_all_tasks_blocked()
            assert 100_000 == sink.missing
            await theirs.send_all(bytes(10_000))

    assert not sink.missing
    await theirs.send_all(b"!")
    assert b"!" == await Receiver().receive(transport)
    await transport.abort()
    await theirs.aclose()


async def test_a_large_frame_that_comes_slowly_is_taken_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing stays in the kernel for long: what has arrived is a sign of life."""
    transport, theirs, sink = await in_a_frame(monkeypatch, patience=0.01)
    for _ in range(2):
        await theirs.send_all(bytes(1000))
        assert bytes(1000) == await sink.receive(transport)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sink.receive, transport)
        await trio.sleep(0.03)  # longer than its patience, with nothing there at all
        await theirs.send_all(b"!")
    await transport.abort()
    await theirs.aclose()


async def test_a_wait_for_the_rest_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next read goes on with it."""
    transport, theirs, sink = await in_a_frame(monkeypatch)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sink.receive, transport)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()

    assert scope.cancelled_caught
    await theirs.send_all(bytes(100_000))
    assert bytes(100_000) == await sink.receive_exactly(transport, 100_000)
    await transport.abort()
    await theirs.aclose()


async def test_the_end_wakes_who_waits_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """EOF is told at once, after what came before it."""
    transport, theirs, sink = await in_a_frame(monkeypatch)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sink.receive_exactly, transport, 5)
        await trio.testing.wait_all_tasks_blocked()
        await theirs.send_all(b"bytes")
        await theirs.aclose()

    assert b"" == await sink.receive(transport)
    await transport.abort()


async def test_a_reset_wakes_who_waits_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is raised at once."""
    transport, theirs, sink = await in_a_frame(monkeypatch)
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            with pytest.raises(ConnectionResetError):
                await sink.receive(transport)

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        reset(theirs)
    await transport.abort()


@pytest.mark.parametrize("option", [None, 0x7FFF], ids=["unknown", "refused"])
async def test_a_system_that_wakes_for_each_byte(monkeypatch: pytest.MonkeyPatch, option: int | None) -> None:
    """Where the reader cannot say for how much it waits, it is woken by each segment, as anywhere else."""
    monkeypatch.setattr("trio_ohws.nursery.transport._LOW_WATER", option)
    transport, theirs, sink = await in_a_frame(monkeypatch)
    await theirs.send_all(b"!")
    assert b"!" == await sink.receive(transport)
    await transport.abort()
    await theirs.aclose()


async def test_a_reset_is_an_os_error() -> None:
    """A connection that the peer resets fails to read and to write with an OSError."""
    ours, theirs = await open_tcp_pair()
    transport = as_transport(ours)
    reset(theirs)
    with pytest.raises(ConnectionResetError):
        await Receiver().receive(transport)
    with pytest.raises(OSError, match="pipe"):
        transport.write_now(b"frame")
    with pytest.raises(OSError, match="pipe"):
        await transport.write([b"frame", b"frame"])
    await transport.abort()


async def test_half_close_of_a_socket() -> None:
    """`send_eof` ends what the peer reads; what it sends still arrives."""
    transport, theirs = await tcp()
    assert 4 == transport.write_now(b"last")
    with trio.testing.assert_checkpoints():
        await transport.send_eof()

    assert b"last" == await theirs.receive_some()
    assert b"" == await theirs.receive_some()
    await theirs.send_all(b"answer")
    assert b"answer" == await Receiver().receive(transport)
    await transport.abort()
    await theirs.aclose()


async def test_a_read_that_filled_little_waits_for_the_next_bytes() -> None:
    """After a read that left room no system call is wasted; after one that did not, one is tried."""
    transport, theirs = await tcp()
    receiver = Receiver(1000)
    await theirs.send_all(b"little")
    assert b"little" == await receiver.receive(transport)
    asked = receiver.asked
    async with trio.open_nursery() as nursery:
        nursery.start_soon(receiver.receive, transport)
        await trio.testing.wait_all_tasks_blocked()
        assert asked == receiver.asked
        await theirs.send_all(b"x" * 500)
        await trio.testing.wait_all_tasks_blocked()
    assert asked + 1 == receiver.asked
    async with trio.open_nursery() as nursery:
        nursery.start_soon(receiver.receive, transport)
        await trio.testing.wait_all_tasks_blocked()
        assert asked + 2 == receiver.asked  # half full was full enough to try first
        await theirs.aclose()

    await transport.abort()


# Other streams alone


async def test_half_close_of_other_streams_is_left_alone() -> None:
    """TLS has no half-close, so `send_eof` only gives others a turn: the stream still writes."""
    transport, theirs = await memory()
    with trio.testing.assert_checkpoints():
        await transport.send_eof()
    await transport.write([b"frame"])

    assert b"frame" == await theirs.receive_some()
    await transport.abort()
    await theirs.aclose()


async def test_other_streams_are_aborted_without_a_farewell() -> None:
    """A stream whose graceful close would wait for the peer is closed at once all the same."""

    class Polite(trio.abc.Stream):
        closed = ""

        async def send_all(self, data: bytes | bytearray | memoryview) -> None:
            raise NotImplementedError

        async def wait_send_all_might_not_block(self) -> None:
            raise NotImplementedError

        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            raise NotImplementedError

        async def aclose(self) -> None:
            try:
                await trio.sleep_forever()
                self.closed = "gracefully"
            except trio.Cancelled:
                self.closed = "forcefully"
                raise

    stream = Polite()
    await as_transport(stream).abort()

    assert "forcefully" == stream.closed


async def test_a_listening_family_does_not_matter() -> None:
    """A Unix socket in a `trio.SocketStream` is a plain socket too."""
    left, right = socket.socketpair()
    transport = as_transport(trio.SocketStream(trio.socket.from_stdlib_socket(left)))
    theirs = trio.SocketStream(trio.socket.from_stdlib_socket(right))

    assert 5 == transport.write_now(b"frame")
    assert b"frame" == await theirs.receive_some()
    await transport.abort()
    await theirs.aclose()
