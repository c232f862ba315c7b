"""The line in memory, as a `trio.abc.Stream` for the client and a switch for the peer."""

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from trio_ohws.testing.link import Link


async def test_each_push_is_a_read(autojump_clock: MockClock) -> None:
    """Chunks are not joined, and cut only where the reader's buffer ends."""
    link = Link()
    link.push(b"first")
    link.push(b"second")
    link.push_eof()

    assert 11 == link.unread
    assert [b"fir", b"st", b"second", b"", b""] == [
        await link.receive_some(size) for size in (3, 3, 9, 9, None)
    ]
    assert 0 == link.unread


async def test_nothing_is_pushed_after_the_end() -> None:
    """EOF is final; what is empty is no EOF."""
    link = Link()
    link.push(b"")
    link.push(b"last")
    link.push_eof()
    link.push(b"too late")
    link.push_eof()

    assert [b"last", b"", b""] == [await link.receive_some() for _ in range(3)]


async def test_eof_has_its_latency_too(autojump_clock: MockClock) -> None:
    """It travels behind the bytes, at their pace."""
    link = Link()
    link.latency = 2
    started = trio.current_time()
    link.push_eof()

    assert b"" == await link.receive_some()
    assert 2 == trio.current_time() - started


@pytest.mark.parametrize("waits", [False, True])
async def test_a_closed_end_cannot_be_used(waits: bool, autojump_clock: MockClock) -> None:
    """Reads and writes, also those that wait, raise what Trio's streams raise."""
    link = Link()
    link.stall()
    async with trio.open_nursery() as nursery:
        if not waits:
            await link.aclose()
        for call in (link.receive_some, link.wait_send_all_might_not_block, lambda: link.send_all(b"x")):
            nursery.start_soon(raises, trio.ClosedResourceError, call)
        await trio.testing.wait_all_tasks_blocked()
        await link.aclose()

    assert link.closed


@pytest.mark.parametrize("waits", [False, True])
async def test_a_reset_breaks_both_directions(waits: bool, autojump_clock: MockClock) -> None:
    """What was under way is lost, and calls that wait fail."""
    link = Link()
    link.stall()
    link.push(b"lost")
    async with trio.open_nursery() as nursery:
        if not waits:
            link.reset()
        for call in (link.receive_some, link.wait_send_all_might_not_block, lambda: link.send_all(b"x")):
            nursery.start_soon(raises, trio.BrokenResourceError, call)
        await trio.testing.wait_all_tasks_blocked()
        link.reset()

    assert 0 == link.unread


async def test_nothing_is_heard_by_a_peer_that_has_closed() -> None:
    """Writing to it fails, as it does on a socket when the answer to the first write has come back."""
    link = Link()
    heard: list[bytes] = []
    link.hear = heard.append
    await link.send_all(bytearray(b"heard"))
    await link.wait_send_all_might_not_block()
    link.push_eof()

    with pytest.raises(trio.BrokenResourceError, match="the peer has closed"):
        await link.send_all(b"not heard")
    assert [b"heard"] == heard


async def test_a_stalled_write_is_heard_when_the_link_resumes(autojump_clock: MockClock) -> None:
    """It waits as it would for a full buffer."""
    link = Link()
    heard: list[bytes] = []
    link.hear = heard.append
    link.stall()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.send_all, b"late")
        await trio.testing.wait_all_tasks_blocked()
        assert [] == heard
        link.resume()

    assert [b"late"] == heard


async def test_every_call_is_a_checkpoint() -> None:
    """Those that need not wait, too."""
    link = Link()
    link.push(b"x")
    with trio.testing.assert_checkpoints():
        await link.receive_some()
    with trio.testing.assert_checkpoints():
        await link.send_all(b"x")
    with trio.testing.assert_checkpoints():
        await link.wait_send_all_might_not_block()
    with trio.testing.assert_checkpoints():
        await link.aclose()

    assert link.closed


async def raises(error: type[Exception], call: object) -> None:
    """Make sure that a call does."""
    assert callable(call)
    with pytest.raises(error):
        await call()
