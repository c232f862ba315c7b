"""The stream of a subscription: a receive channel that can be left."""

import pytest
import trio
import trio.testing

from trio_ohws.events.queue import Overflow, QueueStatistics
from trio_ohws.events.stream import EventStream


class Source:
    """Whoever feeds streams: it takes note of those that are left, and of overflows."""

    def __init__(self) -> None:
        self.left: list[EventStream[str]] = []
        self.overflows = 0

    def overflowed(self) -> None:
        """Count an overflow."""
        self.overflows += 1

    def stream(self, *items: str, max_items: int = 256, overflow: Overflow = "wait") -> EventStream[str]:
        """Return a stream that was offered `items`."""
        stream: EventStream[str] = EventStream(
            max_items, 1 << 20, overflow, self.overflowed, self.left.append
        )
        for item in items:
            stream.offer(item)
        return stream


async def test_it_is_a_receive_channel() -> None:
    """It is iterated up to its end, and every way to receive says that it has ended."""
    stream = Source().stream("a", "b", "c")
    stream.end()

    assert isinstance(stream, trio.abc.ReceiveChannel)
    assert "a" == stream.receive_nowait()
    assert "b" == await stream.receive()
    assert ["c"] == [item async for item in stream]
    with pytest.raises(trio.EndOfChannel):
        await stream.receive()
    with pytest.raises(trio.EndOfChannel):
        stream.receive_nowait()


def test_receive_nowait_does_not_wait() -> None:
    """Without an item there is WouldBlock."""
    with pytest.raises(trio.WouldBlock):
        Source().stream().receive_nowait()


async def test_the_block_leaves_it() -> None:
    """After ``async with`` the source has been told, what was queued is forgotten, and nothing goes in."""
    source = Source()
    async with source.stream("a", "b") as stream:
        assert "a" == await stream.receive()
    stream.offer("c")

    assert [stream] == source.left
    assert QueueStatistics(0, 0, 256, 1 << 20, 0) == stream.statistics()
    for _ in range(2):
        with pytest.raises(trio.ClosedResourceError):
            await stream.receive()
        with pytest.raises(trio.ClosedResourceError):
            stream.receive_nowait()


async def test_leaving_wakes_whoever_waits() -> None:
    """A consumer in another task hears that the stream was left, and a producer goes on."""
    stream, full = Source().stream(), Source().stream("a", max_items=1)

    async def consumer() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await stream.receive()

    with trio.fail_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(consumer)
            nursery.start_soon(full.wait_room)
            await trio.testing.wait_all_tasks_blocked()
            await stream.aclose()
            await full.aclose()


async def test_leaving_twice_is_leaving_once() -> None:
    """A second aclose changes nothing and raises nothing; each is a checkpoint."""
    stream = Source().stream()
    for _ in range(2):
        with trio.testing.assert_checkpoints():
            await stream.aclose()

    with pytest.raises(trio.ClosedResourceError):
        await stream.receive()


async def test_a_cancelled_leave_has_left() -> None:
    """Whoever is cancelled in aclose has left the stream all the same."""
    source = Source()
    stream = source.stream("a")
    with trio.CancelScope() as scope:
        scope.cancel()
        await stream.aclose()

    assert scope.cancelled_caught
    assert [stream] == source.left
    with pytest.raises(trio.ClosedResourceError):
        stream.receive_nowait()


async def test_a_second_task_is_busy() -> None:
    """One task at a time may wait, in iteration too."""
    stream = Source().stream()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.receive)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await anext(aiter(stream))
        stream.offer("a")


@pytest.mark.parametrize(
    ("overflow", "kept", "refused", "overflows"),
    [
        ("wait", ["a", "b"], 2, 0),
        ("drop_oldest", ["c", "d"], 0, 0),
        ("drop_newest", ["a", "b"], 0, 0),
        ("latest", ["d"], 0, 0),
        ("close", ["a", "b"], 0, 2),
    ],
)
async def test_the_five_policies(overflow: Overflow, kept: list[str], refused: int, overflows: int) -> None:
    """Four items for two places: what stays, what is refused, and how often the source is told."""
    source = Source()
    stream = source.stream(max_items=2, overflow=overflow)
    taken = [stream.offer(item) for item in "abcd"]
    stream.end()

    assert refused == taken.count(False)
    assert overflows == source.overflows
    assert kept == [item async for item in stream]
    assert 4 == stream.statistics().dropped + len(kept) + refused
