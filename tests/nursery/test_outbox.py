"""The outbox: the eight rules of the design, on a fake transport first, then on real sockets."""

import itertools
import random
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence

import pytest
import trio
import trio.testing
from hypothesis import given, settings, strategies as st

from tests.nursery.loopback import open_tcp_pair, reset
from trio_ohws._wire.frames import BINARY, PING, encode
from trio_ohws.errors import AlreadyClosed, ConnectionLost
from trio_ohws.nursery.outbox import Outbox
from trio_ohws.nursery.takeover import as_transport
from trio_ohws.nursery.transport import Sink, SocketTransport, Transport

LIMIT = 1000
ALL = 1 << 60


class Wire:
    """A transport that keeps what is written, and takes no more than the test allows.

    Args:
        window: bytes that `write_now` takes, all in all.
    """

    def __init__(self, window: int = ALL) -> None:
        self.window = window
        self.data = b""
        self.direct: list[int] = []  # bytes that each call of write_now took, if any
        self.writes: list[list[int]] = []  # bytes of the buffers of each call of write
        self.offered: list[bytes | memoryview] = []  # to write_now
        self.handed: list[bytes | memoryview] = []  # to write
        self.failure: Exception | None = None
        self._gate = trio.Event()
        self._gate.set()

    def block(self) -> None:
        """Let `write` wait, and `write_now` take nothing."""
        self.window = 0
        self._gate = trio.Event()

    def unblock(self, window: int = ALL) -> None:
        """Let everything through `write`, and `window` bytes through `write_now`."""
        self.window = window
        self._gate.set()

    def fail(self, failure: Exception) -> None:
        """Let every write fail, the one that waits too."""
        self.failure = failure
        self._gate.set()

    def write_now(self, *parts: bytes | memoryview) -> int:
        """See `Transport`."""
        if self.failure is not None:
            raise self.failure
        self.offered.extend(parts)
        data = b"".join(parts)
        taken = data[: self.window]
        self.window -= len(taken)
        if taken:
            self.direct.append(len(taken))
            self.data += taken
        return len(taken)

    async def write(self, buffers: Sequence[bytes | memoryview]) -> None:
        """See `Transport`."""
        self.writes.append([len(buffer) for buffer in buffers])
        self.handed.extend(buffers)
        await self._gate.wait()
        if self.failure is not None:
            raise self.failure
        self.data += b"".join(buffers)

    def read_now(self, size: int) -> bytes:
        """See `Transport`."""
        raise NotImplementedError

    async def receive_into(self, sink: Sink) -> int:
        """See `Transport`."""
        raise NotImplementedError

    async def send_eof(self) -> None:
        """See `Transport`."""
        raise NotImplementedError

    async def abort(self) -> None:
        """See `Transport`."""
        raise NotImplementedError


class Death:
    """Counts how often it was told that the outbox died."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        """The outbox died."""
        self.count += 1


def start(
    wire: Transport, nursery: trio.Nursery, limit: int = LIMIT, on_dead: Callable[[], object] = int
) -> Outbox:
    """Return an outbox whose writer runs."""
    outbox = Outbox(wire, limit, on_dead)
    outbox.admit()
    nursery.start_soon(outbox.run)
    return outbox


async def settle() -> None:
    """Let all tasks run as far as they can."""
    await trio.testing.wait_all_tasks_blocked()


async def stuck(nursery: trio.Nursery, queued: int = LIMIT) -> tuple[Wire, Outbox]:
    """Return a blocked transport, and its outbox with `queued` bytes in the writer's hand."""
    wire = Wire()
    wire.block()
    outbox = start(wire, nursery)
    outbox.put(b"s" * queued)
    await settle()
    return wire, outbox


async def send(outbox: Outbox, frame: bytes) -> None:
    """Send as `WebSocket.send` does, but bytes that are no real frame."""
    await outbox.turn()
    outbox.put(frame)


def payloads(wire: bytes) -> list[bytes]:
    """Return the unmasked payloads of the frames, of which nothing may be missing."""
    found = []
    position = 0
    while position < len(wire):
        size, start = wire[position + 1] & 0x7F, position + 2
        if size > 125:
            width = 2 if size == 126 else 8
            size, start = int.from_bytes(wire[start : start + width], "big"), start + width
        key, position = wire[start : start + 4], start + 4 + size
        masked = int.from_bytes(wire[start + 4 : position], "big")
        mask = int.from_bytes((key * (size // 4 + 1))[:size], "big")
        found.append((masked ^ mask).to_bytes(size, "big"))
    assert position == len(wire), "a frame is torn"
    return found


async def expect_lost(wait: Callable[[], Awaitable[object]], causes: list[BaseException | None]) -> None:
    """Wait for something that ends with the outbox, and keep the cause."""
    with pytest.raises(ConnectionLost) as caught:
        await wait()
    causes.append(caught.value.__cause__)


# Rule 2: the first frame at once, the rest gathered


async def test_the_first_frame_is_written_at_once(nursery: trio.Nursery) -> None:
    """An idle outbox writes a frame before `put` returns."""
    wire = Wire()
    outbox = start(wire, nursery)
    await settle()
    outbox.put(b"frame")

    assert b"frame" == wire.data
    assert (0, 5, 5) == (outbox.queued, outbox.written, outbox.position)


async def test_a_burst_is_two_writes(nursery: trio.Nursery) -> None:
    """Of a hundred frames in a row the first is written alone, the other 99 in one go."""
    wire = Wire()
    outbox = start(wire, nursery)
    await settle()
    for number in range(100):
        outbox.put(bytes((number,)))
    await settle()

    assert bytes(range(100)) == wire.data
    assert ([1], [[99]]) == (wire.direct, wire.writes)


async def test_a_burst_ends_when_the_writer_ran(nursery: trio.Nursery) -> None:
    """After the writer wrote what was gathered, a frame is written at once again."""
    wire = Wire()
    outbox = start(wire, nursery)
    await settle()
    outbox.put(b"a")
    outbox.put(b"b")
    await settle()
    outbox.put(b"c")

    assert b"abc" == wire.data
    assert ([1, 1], [[1]]) == (wire.direct, wire.writes)


async def test_a_burst_ends_when_the_reader_woke(nursery: trio.Nursery) -> None:
    """A pass of the reader, even one without a frame to send, ends the burst."""
    wire = Wire()
    outbox = start(wire, nursery)
    await settle()
    outbox.put(b"a")
    outbox.release()
    outbox.put(b"b")

    assert b"ab" == wire.data
    assert [1, 1] == wire.direct


async def test_a_rest_goes_to_the_head_of_the_queue(nursery: trio.Nursery) -> None:
    """What a direct write leaves goes out before what is put after it."""
    wire = Wire(window=3)
    outbox = start(wire, nursery)
    await settle()
    outbox.put(b"abcde")
    outbox.put(b"fg")

    assert (b"abc", 4, 3, 7) == (wire.data, outbox.queued, outbox.written, outbox.position)
    await settle()
    assert b"abcdefg" == wire.data
    assert (0, 7, 7) == (outbox.queued, outbox.written, outbox.position)


async def test_nothing_overtakes_what_the_writer_has_in_hand(nursery: trio.Nursery) -> None:
    """A frame queues behind the one that is being written, in a reader's pass too."""
    wire, outbox = await stuck(nursery, 3)
    wire.window = ALL  # a direct write would succeed, and overtake
    outbox.put(b"b")
    outbox.hold()
    outbox.put(b"c")
    outbox.release()

    assert b"" == wire.data
    wire.unblock()
    await settle()
    assert b"sssbc" == wire.data
    assert [[3], [2]] == wire.writes


async def test_nothing_is_written_directly_before_the_writer_runs(nursery: trio.Nursery) -> None:
    """What cannot be written at once waits for the writer, even if that has not begun yet."""
    wire = Wire(window=0)
    outbox = Outbox(wire, LIMIT, Death())
    outbox.put(b"a")
    wire.window = ALL
    outbox.put(b"b")

    assert b"" == wire.data
    nursery.start_soon(outbox.run)
    await settle()
    assert b"ab" == wire.data


# Rule 3: one write at the end of a reader's pass


async def test_a_readers_pass_is_one_write(nursery: trio.Nursery) -> None:
    """Frames that callbacks queue leave by a single direct write when the pass ends, not before."""
    wire = Wire()
    outbox = start(wire, nursery)
    await settle()
    outbox.hold()
    for number in range(10):
        outbox.put(bytes((number,)))

    assert b"" == wire.data
    outbox.release()
    assert bytes(range(10)) == wire.data
    assert ([10], []) == (wire.direct, wire.writes)
    outbox.put(b"next")
    assert [10, 4] == wire.direct


async def test_a_readers_pass_takes_along_what_waits_for_the_writer(nursery: trio.Nursery) -> None:
    """A frame queued by a task just before the pass leaves in the same write, before those of the pass."""
    wire = Wire()
    outbox = start(wire, nursery)
    await settle()
    outbox.put(b"a")
    outbox.put(b"b")
    outbox.hold()
    outbox.put(b"c")
    outbox.release()

    assert (b"abc", [1, 2]) == (wire.data, wire.direct)
    await settle()
    assert [] == wire.writes


async def test_the_rest_of_a_readers_write_wakes_the_writer(nursery: trio.Nursery) -> None:
    """What the write at the end of a pass leaves is written by the writer, and nothing overtakes it."""
    wire = Wire(window=2)
    outbox = start(wire, nursery)
    await settle()
    outbox.hold()
    outbox.put(b"abc")
    outbox.put(b"def")
    outbox.release()
    wire.window = ALL
    outbox.put(b"g")

    assert b"ab" == wire.data
    await settle()
    assert b"abcdefg" == wire.data


async def test_a_large_pass_is_left_to_the_writer(nursery: trio.Nursery) -> None:
    """More than 256 KiB are not joined at the end of a pass: the writer wakes instead."""
    wire = Wire()
    outbox = start(wire, nursery)
    await settle()
    outbox.hold()
    for _ in range(5):
        outbox.put(b"x" * 60000)
    outbox.release()

    assert b"" == wire.data
    await settle()
    assert 300000 == len(wire.data)


async def test_a_large_pass_finds_the_writer_awake(nursery: trio.Nursery) -> None:
    """A writer that was woken before the pass writes what the pass leaves."""
    wire = Wire()
    outbox = start(wire, nursery)
    await settle()
    outbox.put(b"a")
    outbox.put(b"b")
    outbox.hold()
    outbox.put_parts([b"x", b"y" * 300000])
    outbox.release()
    await settle()

    assert 300003 == len(wire.data)
    assert [1] == wire.direct


async def test_the_writer_that_was_woken_before_the_pass_goes_back_to_sleep(nursery: trio.Nursery) -> None:
    """A rest of the pass's write, left while the writer is on its way, is written once."""
    wire = Wire()
    outbox = start(wire, nursery)
    await settle()
    outbox.put(b"a")
    outbox.put(b"b")
    wire.window = 1
    outbox.hold()
    outbox.put(b"c")
    outbox.release()
    await settle()

    assert b"abc" == wire.data
    assert [[1]] == wire.writes


# Rule 4: the reader waits for room


async def test_the_reader_waits_for_room(nursery: trio.Nursery) -> None:
    """`wait_room` waits while the limit is reached, and ends when something was written."""
    wire, outbox = await stuck(nursery)
    done = trio.Event()

    async def reader() -> None:
        await outbox.wait_room()
        done.set()

    nursery.start_soon(reader)
    await settle()
    assert not done.is_set()
    wire.unblock()
    await done.wait()
    assert 0 == outbox.queued


async def test_the_reader_does_not_wait_below_the_limit(nursery: trio.Nursery) -> None:
    """With room in the queue `wait_room` returns at once."""
    _, outbox = await stuck(nursery, LIMIT - 1)

    with trio.testing.assert_no_checkpoints():
        await outbox.wait_room()


async def test_the_reader_does_not_wait_for_what_it_could_not_hold_back(nursery: trio.Nursery) -> None:
    """What senders queued, and pings of ours, do not count; callback forms do, until they are written."""
    wire, outbox = await stuck(nursery, LIMIT - 1)
    assert outbox.offer(BINARY, bytes(LIMIT))
    assert outbox.offer(BINARY, bytes(LIMIT), in_turn=True)
    outbox.put(bytes(LIMIT), ours=True)
    with trio.testing.assert_no_checkpoints():
        await outbox.wait_room()
    assert outbox.offer(BINARY, bytes(LIMIT), always=True)

    assert LIMIT - 1 + LIMIT < outbox.unbidden < outbox.queued
    wire.unblock()
    await outbox.wait_room()
    await outbox.flush()
    assert 0 == outbox.unbidden


async def test_the_reader_goes_on_when_nothing_is_admitted_any_more(nursery: trio.Nursery) -> None:
    """`refuse` wakes the reader that waits for room, and lets it never wait again."""
    _, outbox = await stuck(nursery)
    nursery.start_soon(outbox.wait_room)
    await settle()
    outbox.refuse()
    await outbox.wait_room()

    assert LIMIT == outbox.queued


# Rule 5: admission


@pytest.mark.parametrize(
    ("queued", "admitted"), [(0, True), (LIMIT - 1, True), (LIMIT, False), (LIMIT + 1, False)]
)
async def test_a_frame_is_admitted_below_the_limit(
    nursery: trio.Nursery, queued: int, admitted: bool
) -> None:
    """What counts is what is queued before the frame, not its own size; a refused one leaves no trace."""
    wire, outbox = await stuck(nursery, queued)

    assert admitted is outbox.offer(BINARY, b"x" * 70000)
    assert queued + (70014 if admitted else 0) == outbox.queued
    assert int(admitted) == outbox.messages
    wire.unblock()
    await settle()
    assert outbox.offer(BINARY, b"")


def test_nothing_is_admitted_before_and_after() -> None:
    """An outbox takes data frames from `admit` to `refuse`; a dead one takes none, whatever it is told."""
    outbox = Outbox(Wire(), LIMIT, Death())
    seen = [outbox.offer(BINARY, b"")]
    outbox.admit()
    seen.append(outbox.offer(BINARY, b""))
    outbox.refuse()
    seen.append(outbox.offer(BINARY, b""))
    outbox.die(OSError())
    outbox.admit()
    seen.append(outbox.offer(BINARY, b""))

    assert [False, True, False, False] == seen


@pytest.mark.parametrize(
    ("size", "overhead"), [(0, 6), (125, 6), (126, 8), (65535, 8), (65536, 14), (65537, 14)]
)
async def test_a_message_is_one_frame(nursery: trio.Nursery, size: int, overhead: int) -> None:
    """`offer` makes one frame of a message, whether that goes in one part or in two."""
    wire = Wire()
    outbox = start(wire, nursery)
    payload = random.Random(size).randbytes(size)
    outbox.offer(BINARY, payload, always=True)
    await settle()

    assert [payload] == payloads(wire.data)
    assert (size + overhead, 1) == (outbox.written, outbox.messages)


async def test_control_frames_are_always_admitted(nursery: trio.Nursery) -> None:
    """Those of `put`, and of a callback form, are taken past the limit, and past those who wait in line."""
    wire, outbox = await stuck(nursery)
    nursery.start_soon(send, outbox, b"waited")
    await settle()
    outbox.put(b"control ")
    outbox.offer(BINARY, b"callback", always=True)
    wire.unblock()
    await settle()

    assert wire.data[LIMIT:].startswith(b"control ")
    assert wire.data.endswith(b"waited")
    assert [b"callback"] == payloads(wire.data[LIMIT + 8 : -6])


async def test_senders_wait_in_line(nursery: trio.Nursery) -> None:
    """Those who wait to send are let in one after the other, in the order in which they came."""
    wire, outbox = await stuck(nursery)
    for number in range(10):
        nursery.start_soon(send, outbox, bytes((number,)))
        await settle()
    wire.unblock()
    await settle()

    assert bytes(range(10)) == wire.data[LIMIT:]


async def test_one_sender_at_a_time_is_let_in_when_each_fills_the_queue(nursery: trio.Nursery) -> None:
    """A sender whose frame reaches the limit leaves the rest of the line waiting."""
    wire, outbox = await stuck(nursery)
    for _ in range(3):
        nursery.start_soon(send, outbox, b"x" * LIMIT)
    await settle()
    wire.unblock(window=0)
    await settle()

    assert [[LIMIT]] * 4 == wire.writes


async def test_nobody_overtakes_the_line(nursery: trio.Nursery) -> None:
    """While a sender waits no frame is admitted, even in the moment in which there is room again."""
    wire, outbox = await stuck(nursery)
    nursery.start_soon(send, outbox, b"waited")
    await settle()
    seen: list[tuple[int, bool]] = []
    outbox.mark(outbox.position, lambda: seen.append((outbox.queued, outbox.offer(BINARY, b""))))
    wire.unblock()
    await settle()

    assert [(0, False)] == seen
    assert b"waited" == wire.data[LIMIT:]
    assert outbox.offer(BINARY, b"")


@pytest.mark.parametrize("attempt", range(10))
async def test_a_newcomer_stands_at_the_end_of_the_line(nursery: trio.Nursery, attempt: int) -> None:
    """A sender that comes between the moment of room and the step of the first in line waits behind it.

    Which of the two runs first is for the scheduler's dice; hence several attempts.
    """
    wire, outbox = await stuck(nursery)
    nursery.start_soon(send, outbox, b"first ")
    await settle()
    outbox.mark(outbox.position, lambda: nursery.start_soon(send, outbox, b"newcomer"))
    wire.unblock()
    await settle()

    assert b"first newcomer" == wire.data[LIMIT:]


async def test_a_line_that_was_given_up_holds_nobody_back(nursery: trio.Nursery) -> None:
    """When all who waited were cancelled, a frame is admitted as soon as there is room."""
    wire, outbox = await stuck(nursery)
    with trio.CancelScope() as scope:
        nursery.start_soon(settle_then, scope.cancel)
        await outbox.turn()
    wire.unblock()
    await settle()

    assert scope.cancelled_caught
    assert outbox.offer(BINARY, b"")


@pytest.mark.parametrize("who", [0, 1, 2])
async def test_a_cancelled_sender_gives_up_its_place(nursery: trio.Nursery, who: int) -> None:
    """Its frame is never queued, and the line moves on without it."""
    wire, outbox = await stuck(nursery)
    scopes = [trio.CancelScope() for _ in range(3)]

    async def cancellable(number: int) -> None:
        with scopes[number]:
            await send(outbox, bytes((number,)))

    for number in range(3):
        nursery.start_soon(cancellable, number)
        await settle()
    scopes[who].cancel()
    await settle()
    wire.unblock()
    await settle()

    assert bytes(number for number in range(3) if number != who) == wire.data[LIMIT:]
    assert [number == who for number in range(3)] == [scope.cancelled_caught for scope in scopes]


async def test_a_sender_cancelled_in_the_moment_of_its_turn_passes_the_turn_on(nursery: trio.Nursery) -> None:
    """The first of the line is let in and cancelled in one step: the second must not wait for ever."""
    wire, outbox = await stuck(nursery)
    scope = trio.CancelScope()

    async def cancellable() -> None:
        with scope:
            await outbox.turn()
            await trio.lowlevel.checkpoint_if_cancelled()
            outbox.put(b"first")

    nursery.start_soon(cancellable)
    await settle()
    nursery.start_soon(send, outbox, b"second")
    await settle()
    outbox.mark(outbox.position, scope.cancel)
    wire.unblock()
    await settle()

    assert b"second" == wire.data[LIMIT:]


async def test_the_line_goes_home_when_nothing_is_admitted_any_more(nursery: trio.Nursery) -> None:
    """`refuse` lets all who wait return, although there is no room; they find the connection closing."""
    _, outbox = await stuck(nursery)
    home: list[int] = []

    async def waiter(number: int) -> None:
        await outbox.turn()
        home.append(number)

    for number in range(3):
        nursery.start_soon(waiter, number)
        await settle()
    outbox.refuse()
    await settle()

    assert [0, 1, 2] == home
    assert LIMIT == outbox.queued


# Rule 6: what the writer joins, and what it does not copy


@pytest.mark.parametrize(
    ("frames", "writes"),
    [
        pytest.param([10], [[10]], id="one frame as it is"),
        pytest.param([10, 20, 30], [[60]], id="small frames joined"),
        pytest.param([65536, 65536], [[131072]], id="64 KiB is small"),
        pytest.param([65537, 65537], [[65537, 65537]], id="more is not copied"),
        pytest.param([10, 70000, 10, 10], [[10, 70000, 20]], id="large between small"),
        pytest.param([1 << 20, 10], [[1 << 20], [10]], id="a write ends after a huge frame"),
        pytest.param([14, 1 << 20, 10], [[14, 1 << 20], [10]], id="a header goes with its payload"),
        pytest.param([60000] * 5, [[240000], [60000]], id="no write is over 256 KiB"),
        pytest.param([196607, 65536, 10], [[196607, 65536], [10]], id="not even by the last frame"),
        pytest.param([70000] * 5, [[70000] * 3, [70000] * 2], id="large frames do not pile up either"),
    ],
)
async def test_what_goes_into_a_write(
    nursery: trio.Nursery, frames: list[int], writes: list[list[int]]
) -> None:
    """Small frames are joined into writes of at most 256 KiB, frames over 64 KiB are not copied."""
    wire, outbox = await stuck(nursery, 1)
    for size in frames:
        outbox.put(b"x" * size)
    wire.unblock()
    await settle()

    assert [[1], *writes] == wire.writes


class HungryWire(Wire):
    """A transport below which the system takes everything at once, so that no write ever waits."""

    async def write(self, buffers: Sequence[bytes | memoryview]) -> None:
        """See `Transport`."""
        self.writes.append([len(buffer) for buffer in buffers])


async def test_the_writer_gives_others_their_turn(nursery: trio.Nursery) -> None:
    """Between two writes other tasks run, though none of them has to wait."""
    wire = HungryWire(0)
    outbox = start(wire, nursery)
    seen: list[int] = []

    async def watch() -> None:
        while len(wire.writes) < 10:
            seen.append(len(wire.writes))
            await trio.lowlevel.checkpoint()

    nursery.start_soon(watch)
    for _ in range(10):
        outbox.put(bytes(1 << 18))
    await outbox.flush()

    assert max(later - earlier for earlier, later in itertools.pairwise([0, *seen, 10])) <= 2


@pytest.mark.parametrize("window", [0, 6, 50_000])
async def test_a_large_frame_is_not_copied(nursery: trio.Nursery, window: int) -> None:
    """The transport gets the very object that was put, and what is left of it as a view."""
    wire = Wire(window)
    outbox = start(wire, nursery)
    payload = b"x" * 100_000
    outbox.put_parts([b"header", payload])
    await settle()

    assert payload is wire.offered[1]
    assert b"header" + payload == wire.data
    rest = wire.handed[-1]
    assert payload is (rest.obj if isinstance(rest, memoryview) else rest)


@pytest.mark.parametrize(("left", "kept"), [(0, False), (1000, False), (262_143, False), (262_144, True)])
async def test_a_small_rest_does_not_keep_a_large_frame(nursery: trio.Nursery, left: int, kept: bool) -> None:
    """The next message is admitted beside it, and would have to be masked into memory of its own."""
    payload = bytes(range(256)) * 4096
    wire = Wire(6 + len(payload) - left)
    outbox = start(wire, nursery)
    outbox.put_parts([b"header", payload])
    wire.offered.clear()

    assert left == outbox.queued
    assert kept == (sys.getrefcount(payload) > 2)  # ours, and the argument
    await settle()
    assert b"header" + payload == wire.data


async def test_a_large_frame_is_written_at_once_within_a_burst(nursery: trio.Nursery) -> None:
    """Nothing is gained by gathering it; but it does not overtake, nor is it written in the reader's pass."""
    wire = Wire()
    outbox = start(wire, nursery)
    await settle()
    outbox.put(b"first")
    outbox.put_parts([b"large", b"frame"])
    assert [5, 10] == wire.direct
    outbox.put(b"gathered")
    outbox.put_parts([b"behind", b"it"])
    await settle()
    assert ([5, 10], [[16]]) == (wire.direct, wire.writes)
    outbox.hold()
    outbox.put_parts([b"an", b"answer"])

    assert 8 == outbox.queued
    outbox.release()
    assert b"firstlargeframegatheredbehinditananswer" == wire.data


async def test_the_parts_of_a_frame_stay_together(nursery: trio.Nursery) -> None:
    """Parts queue behind what is queued, wake the writer, and nothing comes between them."""
    wire = Wire()
    outbox = start(wire, nursery)
    await settle()
    outbox.put_parts([b"a", b"b"])
    outbox.put(b"c")
    await settle()
    outbox.hold()
    outbox.put_parts([b"d", b"e"])
    outbox.release()
    outbox.put(b"f")

    assert b"abcdef" == wire.data
    assert 6 == outbox.written


# Rule 7: positions


async def test_flush_waits_for_a_position(nursery: trio.Nursery) -> None:
    """It returns when what was queued before it is written, however much was queued since."""
    wire, outbox = await stuck(nursery, 10)
    flushed = trio.Event()

    async def flush() -> None:
        await outbox.flush()
        flushed.set()

    nursery.start_soon(flush)
    await settle()
    outbox.put(b"later")
    assert not flushed.is_set()
    outbox.mark(10, wire.block)
    wire.unblock()
    await settle()
    assert flushed.is_set()
    assert 5 == outbox.queued


async def test_flush_of_nothing_is_a_checkpoint(nursery: trio.Nursery) -> None:
    """With nothing queued it returns after one turn of the scheduler."""
    outbox = start(Wire(), nursery)

    with trio.testing.assert_checkpoints():
        await outbox.flush()


async def test_a_cancelled_flush_leaves_everything_queued(nursery: trio.Nursery) -> None:
    """What was queued is written all the same, and the mark is gone."""
    wire, outbox = await stuck(nursery, 3)
    with trio.move_on_after(0) as scope:
        await outbox.flush()
    assert scope.cancelled_caught
    with trio.CancelScope() as scope:
        nursery.start_soon(settle_then, scope.cancel)
        await outbox.flush()
    assert scope.cancelled_caught
    wire.unblock()
    await settle()

    assert b"sss" == wire.data


async def settle_then(action: Callable[[], object]) -> None:
    """Do something once nothing else can run."""
    await settle()
    action()


async def test_a_flush_cancelled_in_the_moment_of_its_end(nursery: trio.Nursery) -> None:
    """The mark was reached and the scope cancelled in one step: the flush ends, and nothing is lost."""
    wire, outbox = await stuck(nursery, 3)
    scope = trio.CancelScope()
    outbox.mark(outbox.position, scope.cancel)

    async def flush() -> None:
        with scope:
            await outbox.flush()

    nursery.start_soon(flush)
    await settle()
    wire.unblock()
    await settle()

    assert scope.cancelled_caught
    assert b"sss" == wire.data


async def test_marks_are_reached_in_order(nursery: trio.Nursery) -> None:
    """A mark is told once, when all bytes before it are written; one in the past is told at once."""
    wire = Wire(window=5)
    outbox = start(wire, nursery)
    told: list[str] = []
    outbox.put(b"abc")
    outbox.mark(outbox.position, lambda: told.append("past"))
    outbox.put(b"def")
    outbox.mark(4, lambda: told.append("half"))
    outbox.mark(outbox.position, lambda: told.append("whole"))

    assert ["past"] == told
    outbox.release()
    assert (b"abcde", ["past", "half"]) == (wire.data, told)
    await settle()
    assert ["past", "half", "whole"] == told


async def test_a_direct_write_reaches_marks(nursery: trio.Nursery) -> None:
    """A mark set in a pass is told by the write at the end of the pass."""
    outbox = start(Wire(), nursery)
    await settle()
    told: list[int] = []
    outbox.hold()
    outbox.put(b"abc")
    outbox.mark(outbox.position, lambda: told.append(outbox.written))
    outbox.release()

    assert [3] == told


# Rule 8: a dead outbox


@pytest.mark.parametrize(
    "failure",
    [BrokenPipeError(), ConnectionResetError(), trio.BrokenResourceError(), trio.ClosedResourceError()],
    ids=lambda failure: type(failure).__name__,
)
@pytest.mark.parametrize("where", ["direct", "pass", "writer"])
async def test_a_failed_write_kills_the_outbox(nursery: trio.Nursery, where: str, failure: Exception) -> None:
    """Whoever writes, the outbox is dead then: the owner is told once, and what is queued is dropped."""
    wire, death = Wire(), Death()
    outbox = start(wire, nursery, on_dead=death)
    await settle()
    if where == "writer":
        wire.block()
    if where == "pass":
        outbox.hold()
    else:
        wire.fail(failure)
    outbox.put(b"a")
    outbox.put(b"b")
    wire.fail(failure)
    outbox.release()
    await settle()
    outbox.put(b"c")
    outbox.put_parts([b"d", b"e"])
    outbox.release()
    await settle()

    assert (1, b"", 0, 0) == (death.count, wire.data, outbox.queued, outbox.written)
    assert failure is outbox.failure


async def test_a_write_that_fails_in_the_writers_hand_kills_the_outbox(nursery: trio.Nursery) -> None:
    """A failure that comes late, while more is queued behind, drops all of it."""
    wire, outbox = await stuck(nursery, 3)
    outbox.put(b"behind")
    failure = OSError("gone")
    wire.fail(failure)
    await settle()

    assert (b"", 0, failure) == (wire.data, outbox.queued, outbox.failure)


async def test_a_dead_outbox_wakes_everybody(nursery: trio.Nursery) -> None:
    """Marks, the whole line, flush and the reader come back; line and flush by ConnectionLost."""
    wire, outbox = await stuck(nursery)
    causes: list[BaseException | None] = []
    told: list[str] = []
    for _ in range(3):
        nursery.start_soon(expect_lost, outbox.turn, causes)
    nursery.start_soon(expect_lost, outbox.flush, causes)
    nursery.start_soon(settle_after, outbox.wait_room, told)
    await settle()
    outbox.mark(outbox.position, lambda: told.append("mark"))
    failure = OSError("gone")
    wire.fail(failure)
    await settle()

    assert [failure] * 4 == causes
    assert ["mark", "reader"] == told


async def settle_after(wait: Callable[[], Awaitable[object]], told: list[str]) -> None:
    """Say when the wait is over."""
    await wait()
    told.append("reader")


async def test_a_dead_outbox_lets_nobody_wait(nursery: trio.Nursery) -> None:
    """After its death turn and flush raise at once, marks are told at once, and the reader never waits."""
    wire, outbox = await stuck(nursery)
    failure = OSError("gone")
    wire.fail(failure)
    await settle()
    causes: list[BaseException | None] = []
    told: list[str] = []
    await expect_lost(outbox.turn, causes)
    await expect_lost(outbox.flush, causes)
    outbox.mark(outbox.position + 1, lambda: told.append("mark"))
    await outbox.wait_room()

    assert [failure, failure] == causes
    assert ["mark"] == told


async def test_what_was_written_before_the_death_counts_as_flushed(nursery: trio.Nursery) -> None:
    """A flush whose bytes are with the operating system succeeds, although the next write fails."""
    wire, outbox = await stuck(nursery, 3)
    flushed: list[bool] = []

    async def flush() -> None:
        await outbox.flush()
        flushed.append(True)

    nursery.start_soon(flush)
    await settle()
    outbox.put(b"b")
    outbox.mark(3, lambda: wire.fail(OSError("gone")))
    wire.unblock()
    await settle()

    assert [True] == flushed
    assert b"sss" == wire.data
    assert outbox.failure is not None


def test_die_is_for_once() -> None:
    """The first reason is the reason; a death from outside is not reported back."""
    death = Death()
    outbox = Outbox(Wire(), LIMIT, death)
    first = OSError("first")
    outbox.die(first)
    outbox.die(OSError("second"))

    assert first is outbox.failure
    assert first is outbox.lost().__cause__
    assert 0 == death.count


@pytest.mark.parametrize("failed_before", [False, True])
async def test_end_says_why(nursery: trio.Nursery, failed_before: bool) -> None:
    """Who waits at the end of the connection is told its reason, freshly made; a failed write came first."""
    wire, outbox = await stuck(nursery)
    failure = OSError("gone")
    if failed_before:
        wire.fail(failure)
        await settle()
    outbox.end(lambda: AlreadyClosed("by us"))
    with pytest.raises(ConnectionLost if failed_before else AlreadyClosed) as caught:
        await outbox.flush()

    assert (failure if failed_before else None) is caught.value.__cause__
    assert caught.value is not outbox.lost()


async def test_a_write_that_fails_on_a_broken_link_is_not_the_cause(nursery: trio.Nursery) -> None:
    """Who is told before that the link is broken, and why, tells that to those who wait for the writer."""
    wire, outbox = await stuck(nursery)
    causes: list[BaseException | None] = []
    nursery.start_soon(expect_lost, outbox.flush, causes)
    await settle()
    error = ConnectionLost("the link is down")
    error.__cause__ = ConnectionResetError()
    outbox.refuse(lambda: error)
    wire.fail(BrokenPipeError())
    await settle()

    assert [error.__cause__] == causes


async def test_what_is_written_is_not_kept(nursery: trio.Nursery) -> None:
    """An idle connection holds nothing of its last message."""
    wire = Wire()
    outbox = start(wire, nursery)
    outbox.put_parts([b"header", payload := bytes(100_000)])
    await outbox.flush()
    await settle()
    wire.handed.clear()
    wire.offered.clear()

    assert 2 == sys.getrefcount(payload)  # ours, and the argument


async def test_a_cancelled_writer_wakes_nobody() -> None:
    """A parked writer that is cancelled is not woken by the next frame."""
    wire = Wire()
    outbox = Outbox(wire, LIMIT, Death())
    async with trio.open_nursery() as writers:
        writers.start_soon(outbox.run)
        await settle()
        writers.cancel_scope.cancel()
    outbox.put(b"a")
    outbox.put(b"b")
    await settle()

    assert b"a" == wire.data


# Rule 1: a frame is whole in the queue or nowhere


class Jittery(Wire):
    """A transport that takes and delays at random.

    Args:
        chance: what chooses.
    """

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance

    def write_now(self, *parts: bytes | memoryview) -> int:
        """Take everything, nothing or a part."""
        data = b"".join(parts)
        size = self.chance.choice((0, len(data), self.chance.randint(0, len(data))))
        self.data += data[:size]
        return size

    async def write(self, buffers: Sequence[bytes | memoryview]) -> None:
        """Write piece by piece, with turns for others in between."""
        rest = b"".join(buffers)
        while rest:
            for _ in range(self.chance.randint(0, 3)):
                await trio.lowlevel.checkpoint()
            size = self.chance.randint(1, len(rest))
            self.data += rest[:size]
            rest = rest[size:]


SIZES = st.one_of(st.integers(1, 300), st.sampled_from([65535, 65536, 65537, 100000]))
STEPS = st.one_of(
    st.tuples(st.just("send"), SIZES),
    st.tuples(st.just("nowait"), SIZES),
    st.tuples(st.just("callback"), SIZES),
    st.tuples(st.just("control"), st.integers(1, 125)),
    st.tuples(st.just("pass"), st.integers(0, 5)),
    st.tuples(st.just("cancel"), st.integers(0, 20)),
    st.tuples(st.just("turns"), st.integers(1, 4)),
)


class Traffic:
    """Puts frames of all kinds into an outbox, and keeps account of which were admitted, in which order."""

    def __init__(self, outbox: Outbox, nursery: trio.Nursery) -> None:
        self.outbox = outbox
        self.nursery = nursery
        self.admitted: list[bytes] = []
        self.arrived: list[int] = []  # senders, in the order in which they came
        self.let_in: list[int] = []  # senders, in the order in which their frames were admitted
        self.scopes: list[trio.CancelScope] = []

    def payload(self, size: int) -> bytes:
        """Return a payload that no other frame has, and count it as admitted."""
        number = len(self.admitted) % 251
        self.admitted.append(bytes((number,)) + random.Random(number).randbytes(size - 1))
        return self.admitted[-1]

    async def sender(self, number: int, size: int) -> None:
        """Send as `WebSocket.send` does, until cancelled."""
        with self.scopes[number]:
            await trio.lowlevel.checkpoint_if_cancelled()
            self.arrived.append(number)
            if self.offer(size):
                self.let_in.append(number)
                return
            await self.outbox.turn()
            self.outbox.offer(BINARY, self.payload(size), always=True)
            self.let_in.append(number)

    def offer(self, size: int) -> bool:
        """Send as `WebSocket.send_nowait` does."""
        payload = self.payload(size)
        if self.outbox.offer(BINARY, payload):
            return True
        self.admitted.pop()
        return False

    async def step(self, kind: str, value: int) -> None:
        """Do one step of the script."""
        if kind == "send":
            self.scopes.append(trio.CancelScope())
            self.nursery.start_soon(self.sender, len(self.scopes) - 1, value)
        elif kind == "nowait":
            self.offer(value)
        elif kind == "callback":
            self.outbox.offer(BINARY, self.payload(value), always=True)
        elif kind == "control":
            self.outbox.put(encode(PING, self.payload(value)))
        elif kind == "pass":
            self.outbox.hold()
            for size in range(2, 2 + value):
                self.outbox.offer(BINARY, self.payload(size), always=True)
            self.outbox.release()
        elif kind == "cancel":
            if self.scopes:
                self.scopes[value % len(self.scopes)].cancel()
        else:
            for _ in range(value):
                await trio.lowlevel.checkpoint()

    def check(self, wire: bytes) -> None:
        """Compare the account with what was written."""
        assert self.admitted == payloads(wire)
        assert [number for number in self.arrived if number in self.let_in] == self.let_in
        assert [scope.cancelled_caught for scope in self.scopes] == [
            number not in self.let_in for number in range(len(self.scopes))
        ]


@given(script=st.lists(STEPS, max_size=40), seed=st.integers(0, 1000))
async def test_frames_are_never_torn_or_reordered(script: list[tuple[str, int]], seed: int) -> None:
    """Random frames, passes, partial writes, cancellations: what was admitted is written, whole, in order."""
    wire = Jittery(random.Random(seed))
    async with trio.open_nursery() as nursery:
        outbox = start(wire, nursery)
        async with trio.open_nursery() as senders:
            traffic = Traffic(outbox, senders)
            for kind, value in script:
                await traffic.step(kind, value)
        await outbox.flush()
        nursery.cancel_scope.cancel()

    traffic.check(wire.data)
    assert (0, len(wire.data)) == (outbox.queued, outbox.written)


@settings(max_examples=40)
@given(script=st.lists(STEPS, max_size=40), seed=st.integers(0, 1000))
async def test_a_socket_keeps_frames_whole_too(script: list[tuple[str, int]], seed: int) -> None:
    """The same over a socket with a small buffer, and a peer that reads at random."""
    chance = random.Random(seed)
    left, right = socket.socketpair()
    for end in (left, right):
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    received = bytearray()

    async def peer() -> None:
        while True:
            for _ in range(chance.randint(0, 3)):
                await trio.lowlevel.checkpoint()
            await trio.lowlevel.wait_readable(right)
            if not (data := right.recv(chance.randint(1, 50000))):
                return
            received.extend(data)

    with right:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer)
            transport = SocketTransport(left)
            async with trio.open_nursery() as tasks:
                outbox = start(transport, tasks)
                async with trio.open_nursery() as senders:
                    traffic = Traffic(outbox, senders)
                    for kind, value in script:
                        await traffic.step(kind, value)
                await outbox.flush()
                tasks.cancel_scope.cancel()
            await transport.abort()

    traffic.check(bytes(received))


# On real sockets


async def drain(stream: trio.SocketStream) -> bytes:
    """Return everything up to EOF."""
    received = bytearray()
    async for chunk in stream:
        received += chunk
    return bytes(received)


async def test_a_peer_that_does_not_read_holds_the_writer(nursery: trio.Nursery) -> None:
    """Frames wait, whole and in order, until the peer reads on; a huge one among them too."""
    ours, theirs = await open_tcp_pair(8192)
    transport = as_transport(ours)
    outbox = start(transport, nursery, 1 << 16)
    frames = [bytes((number,)) * size for number, size in enumerate([10, 5_000_000, 20, 300_000, 70_000, 3])]
    for frame in frames:
        outbox.put(frame)
    await settle()
    assert not outbox.offer(BINARY, b"")
    assert 0 < outbox.queued < sum(map(len, frames))
    async with theirs, trio.open_nursery() as reading:
        received: list[bytes] = []

        async def read() -> None:
            received.append(await drain(theirs))

        reading.start_soon(read)
        await outbox.flush()
        await transport.abort()

    assert b"".join(frames) == received[0]
    assert (0, len(received[0])) == (outbox.queued, outbox.written)


async def test_a_reset_kills_the_outbox(nursery: trio.Nursery) -> None:
    """A peer resets while frames are queued: who waits gets ConnectionLost with the OSError as cause."""
    ours, theirs = await open_tcp_pair(8192)
    transport = as_transport(ours)
    death = Death()
    outbox = start(transport, nursery, on_dead=death)
    outbox.put(b"x" * 5_000_000)
    await settle()
    causes: list[BaseException | None] = []
    async with trio.open_nursery() as waiters:
        waiters.start_soon(expect_lost, outbox.flush, causes)
        waiters.start_soon(expect_lost, outbox.turn, causes)
        await settle()
        reset(theirs)

    assert all(isinstance(cause, ConnectionError) for cause in causes)
    assert (2, 1) == (len(causes), death.count)
    await transport.abort()
