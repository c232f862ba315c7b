"""What a connection took and did not write, on a transport that takes no more than the test allows."""

import pytest
import trio
import trio.testing
from hypothesis import given, strategies as st

from tests.nursery.test_outbox import LIMIT, Wire, start
from tests.scripted_peer import TEXT, parse_frames
from trio_ohws.nursery.outbox import Outbox
from trio_ohws.reconnect.unsent import Frame, Unsent


def message(n: int, size: int = 10) -> Frame:
    """Return the n-th message."""
    return TEXT, str(n).encode().ljust(size)


def send(unsent: Unsent, outbox: Outbox, frame: Frame) -> None:
    """Send as a socket does while there is a connection."""
    assert outbox.offer(*frame, always=True)
    if outbox.queued or outbox.failure is not None:
        unsent.taken(frame, outbox)


def replayed(unsent: Unsent) -> list[Frame]:
    """Return what a next connection gets to send."""
    wire = Wire()
    outbox = Outbox(wire, LIMIT, int)
    outbox.admit()
    unsent.replay(outbox)
    assert not unsent
    outbox.release()
    return [(one.opcode, one.payload) for one in parse_frames(wire.data)[0]]


async def test_what_is_written_at_once_is_not_remembered(nursery: trio.Nursery) -> None:
    """A frame that the operating system took is done with, whatever becomes of the connection."""
    outbox = start(Wire(), nursery)
    unsent = Unsent(LIMIT)
    unsent.keep(message(1))
    unsent.replay(outbox)
    await trio.testing.wait_all_tasks_blocked()
    unsent.take_back()

    assert 0 == len(unsent)
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("written", range(5))
async def test_a_frame_that_was_cut(written: int, nursery: trio.Nursery) -> None:
    """The frame of which a part was written comes back whole, and so do all behind it."""
    size = 16  # of a frame: 2 of header, 4 of mask, 10 of payload
    wire = Wire(window=written * size + 7)
    outbox = start(wire, nursery)
    unsent = Unsent(LIMIT)
    for n in range(6):
        send(unsent, outbox, message(n))
        outbox.release()
    wire.fail(BrokenPipeError())
    await trio.testing.wait_all_tasks_blocked()
    unsent.take_back()

    assert [message(n) for n in range(written, 6)] == replayed(unsent)
    nursery.cancel_scope.cancel()


async def test_nothing_is_lost_or_doubled_where_a_write_is_whole_or_nothing(nursery: trio.Nursery) -> None:
    """What reached the wire and what comes back are together what was sent, in order."""
    wire = Wire()
    outbox = start(wire, nursery)
    unsent = Unsent(LIMIT)
    for n in range(9):
        if n == 3:
            wire.block()
        if n == 6:
            wire.unblock(0)
            await trio.testing.wait_all_tasks_blocked()
            wire.block()
        send(unsent, outbox, message(n))
        outbox.release()
    await trio.testing.wait_all_tasks_blocked()
    wire.fail(ConnectionResetError())
    await trio.testing.wait_all_tasks_blocked()
    unsent.take_back()
    unsent.keep(message(9))
    through = [(one.opcode, one.payload) for one in parse_frames(wire.data)[0]]

    assert [message(n) for n in range(10)] == through + replayed(unsent)
    assert 6 <= len(through)
    nursery.cancel_scope.cancel()


async def test_a_connection_that_is_dead_already(nursery: trio.Nursery) -> None:
    """What it cannot take waits for the one after it."""
    wire = Wire()
    outbox = start(wire, nursery)
    unsent = Unsent(LIMIT)
    unsent.keep(message(1))
    unsent.keep(message(2))
    wire.fail(BrokenPipeError())
    unsent.replay(outbox)
    await trio.testing.wait_all_tasks_blocked()
    unsent.take_back()

    assert [message(1), message(2)] == replayed(unsent)
    nursery.cancel_scope.cancel()


@given(st.lists(st.integers(0, 2000)))
def test_what_is_kept_is_bounded(sizes: list[int]) -> None:
    """By bytes; and messages of no bytes count, too."""
    unsent = Unsent(LIMIT)
    for n, size in enumerate(sizes):
        if not unsent.full:
            unsent.keep(message(n, size))

    assert unsent.full is (sum(size + 14 for size in sizes) >= LIMIT)
    assert len(unsent) <= LIMIT // 14 + 1
