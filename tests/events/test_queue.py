"""The bounded queue: against a simple model first, then its waiting, its turns and its end."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from trio_ohws.events.queue import OVERFLOWS, TURN, BoundedQueue, Overflow, QueueStatistics

messages = st.one_of(st.text(max_size=12), st.binary(max_size=12))


class QueueAgainstList(RuleBasedStateMachine):
    """What goes through a queue, and what goes through a list that is cut by hand."""

    @initialize(
        max_items=st.integers(1, 6),
        max_bytes=st.one_of(st.integers(1, 40), st.just(1 << 20)),
        overflow=st.sampled_from(OVERFLOWS),
    )
    def begin(self, max_items: int, max_bytes: int, overflow: Overflow) -> None:
        """Choose limits and a policy."""
        self.overflow = overflow
        self.max_items = 1 if overflow == "latest" else max_items
        self.max_bytes = max_bytes
        self.overflowed = 0
        self.queue: BoundedQueue[Any] = BoundedQueue(max_items, max_bytes, overflow, self.count)
        self.items: list[Any] = []
        self.dropped = 0
        self.ended: type[Exception] | None = None

    def count(self) -> None:
        """Count a call of on_overflow."""
        self.overflowed += 1

    def full(self) -> bool:
        """Tell whether the model is full."""
        return len(self.items) >= self.max_items or sum(map(len, self.items)) >= self.max_bytes

    def expect_offer(self, item: Any) -> bool:
        """Do to the model what `offer` should do to the queue."""
        if self.ended:
            return True
        if self.full() and self.overflow == "wait":
            return False
        if self.full() and self.overflow in ("drop_newest", "close"):
            self.dropped += 1
            return True
        while self.full():
            del self.items[0]
            self.dropped += 1
        self.items.append(item)
        return True

    @rule(item=messages)
    def offer(self, item: Any) -> None:
        """An item is taken, refused or dropped as the policy says."""
        expected = self.expect_offer(item)

        assert expected == self.queue.offer(item)

    @rule(item=messages)
    def put(self, item: Any) -> None:
        """An item that is put is taken, whatever the limits."""
        if not self.ended:
            self.items.append(item)
        self.queue.put(item)

    @precondition(lambda self: self.overflow == "wait" and not self.ended)
    @rule(batch=st.lists(messages, max_size=10), skipped=st.integers(0, 3))
    def fill(self, batch: list[Any], skipped: int) -> None:
        """A batch is taken as far as single offers would be."""
        start = expected = min(skipped, len(batch))
        while expected < len(batch) and self.expect_offer(batch[expected]):
            expected += 1

        assert expected == self.queue.fill(batch, start)

    @rule()
    def receive_nowait(self) -> None:
        """The oldest item comes out; without one there is WouldBlock, or the error of the end."""
        if self.items:
            assert self.items.pop(0) == self.queue.receive_nowait()
        else:
            with pytest.raises(self.ended or trio.WouldBlock):
                self.queue.receive_nowait()

    @rule()
    def end(self) -> None:
        """The first end stays."""
        self.ended = self.ended or trio.EndOfChannel
        self.queue.end()

    @rule()
    def abandon(self) -> None:
        """Who leaves forgets what is there, ended or not."""
        self.ended = trio.ClosedResourceError
        self.items.clear()
        self.queue.abandon()

    @invariant()
    def same(self) -> None:
        """Length, sizes, limits and losses are the model's."""
        expected = QueueStatistics(
            len(self.items), sum(map(len, self.items)), self.max_items, self.max_bytes, self.dropped
        )

        assert expected == self.queue.statistics()
        assert len(self.items) == len(self.queue)
        assert (self.dropped if self.overflow == "close" else 0) == self.overflowed


QueueAgainstList.TestCase.settings = settings(max_examples=80, stateful_step_count=30)
TestQueueAgainstList = QueueAgainstList.TestCase


def filled(count: int, **limits: Any) -> BoundedQueue[Any]:
    """Return a queue that holds the strings "0", "1" and so on."""
    queue: BoundedQueue[Any] = BoundedQueue(**{"max_items": 1000, "max_bytes": 1 << 20, **limits})
    for number in range(count):
        assert queue.offer(str(number))
    return queue


async def drain(queue: BoundedQueue[Any]) -> list[Any]:
    """Receive up to the end of the channel."""
    received = []
    while True:
        try:
            received.append(await queue.receive())
        except trio.EndOfChannel:
            return received


def test_limits_in_bytes_hold_for_the_policies_that_drop_the_oldest() -> None:
    """A large item pushes out as many others as it takes, so that no more than one reaches over the limit."""
    queue: BoundedQueue[bytes] = BoundedQueue(10, 100, "drop_oldest")
    for size in (1, 1, 1, 99, 99, 99):
        queue.offer(bytes(size))

    assert QueueStatistics(2, 198, 10, 100, 4) == queue.statistics()


@pytest.mark.parametrize(
    ("item", "size"), [("abc", 3), ("äöü", 3), (b"\x00\x01\x02", 3), ("", 0), (None, 0), ({"a": 1}, 0)]
)
def test_only_messages_have_a_size(item: object, size: int) -> None:
    """Text counts in characters, binary in bytes, any other payload not at all."""
    queue: BoundedQueue[Any] = BoundedQueue(10, 100)
    queue.put(item)

    assert size == queue.statistics().size


def test_one_item_may_reach_over_the_limit_in_bytes() -> None:
    """A queue that is not full takes the next item, however large; then it is full."""
    queue: BoundedQueue[bytes] = BoundedQueue(10, 100)

    assert queue.offer(bytes(99))
    assert queue.offer(bytes(1000))
    assert not queue.offer(b"")


@pytest.mark.parametrize(("max_bytes", "taken"), [(5, 3), (6, 3), (7, 4), (8, 4), (9, 4)])
def test_fill_stops_where_single_offers_would(max_bytes: int, taken: int) -> None:
    """Of four messages of two bytes it takes the one that reaches the limit, and none after it."""
    queue: BoundedQueue[bytes] = BoundedQueue(10, max_bytes)

    assert taken == queue.fill([bytes(2)] * 4, 0)


def test_fill_takes_nothing_into_a_queue_that_is_over_its_limit() -> None:
    """What was put over the limit does not turn the room that is left into a slice from the end."""
    queue = filled(2, max_items=2)
    queue.put("2")

    assert 0 == queue.fill(["3", "4", "5"], 0)
    assert 1 == queue.fill(["3", "4", "5"], 1)
    assert 3 == len(queue)


@pytest.mark.parametrize("latest", [True, False])
def test_the_producer_that_offers_never_hears_of_a_loss(latest: bool) -> None:
    """A queue that keeps the latest item has it, and counts the others."""
    queue: BoundedQueue[str] = BoundedQueue(5, 100, "latest" if latest else "drop_newest")
    for number in range(8):
        assert queue.offer(str(number))

    assert (7 if latest else 3) == queue.statistics().dropped
    assert ("7" if latest else "0") == queue.receive_nowait()


async def test_receive_waits_for_an_item() -> None:
    """Who waits is woken by put, by offer and by fill, with that very item."""
    queue = filled(0)
    for provide in (queue.put, queue.offer, lambda item: queue.fill([item], 0)):
        received: list[Any] = []

        async def consumer(received: list[Any] = received) -> None:
            received.append(await queue.receive())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(consumer)
            await trio.testing.wait_all_tasks_blocked()
            provide("item")

        assert ["item"] == received


async def test_a_batch_is_all_that_is_ready() -> None:
    """A batch has every item that waits, and leaves an empty queue; then the next one waits."""
    queue = filled(3)

    assert ["0", "1", "2"] == await queue.receive_batch()
    assert QueueStatistics(0, 0, 1000, 1 << 20, 0) == queue.statistics()
    with trio.move_on_after(0) as scope:
        await queue.receive_batch()
    assert scope.cancelled_caught


Receive = Callable[[BoundedQueue[Any]], Awaitable[Any]]
ONE_BY_ONE: list[Receive] = [BoundedQueue.receive, BoundedQueue.__anext__]


@pytest.mark.parametrize("limits", [{"max_items": 2}, {"max_bytes": 2}])
async def test_a_consumer_that_takes_all_gets_more_than_could_wait(
    nursery: trio.Nursery, limits: dict[str, int]
) -> None:
    """What it waits for will not wait; the limits hold again for what comes before it has taken that."""
    queue = filled(0, **limits)
    batches: list[list[Any]] = []

    async def take() -> None:
        batches.append(await queue.receive_batch())

    nursery.start_soon(take)
    await trio.testing.wait_all_tasks_blocked()
    assert 5 == queue.fill(["skipped", "1", "2", "3", "4"], 1)
    assert 0 == queue.fill(["5"], 0)
    await trio.testing.wait_all_tasks_blocked()

    assert [["1", "2", "3", "4"]] == batches
    assert 0 == queue.statistics().size
    assert 1 == queue.fill(["5"], 0)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_consumer_that_took_all_before_takes_one_now(nursery: trio.Nursery, cancelled: bool) -> None:
    """The limits hold for it."""
    queue = filled(0, max_items=2)
    async with trio.open_nursery() as before:
        before.start_soon(queue.receive_batch)
        await trio.testing.wait_all_tasks_blocked()
        if cancelled:
            before.cancel_scope.cancel()
        else:
            queue.fill(["0"], 0)
    nursery.start_soon(queue.receive)
    await trio.testing.wait_all_tasks_blocked()

    assert 2 == queue.fill(["1", "2", "3"], 0)


ways = pytest.mark.parametrize("receive", [*ONE_BY_ONE, BoundedQueue.receive_batch])


@ways
async def test_a_second_consumer_is_busy(receive: Receive) -> None:
    """While one task waits another is refused; the first goes on to wait."""
    queue = filled(0)
    received = []

    async def consumer() -> None:
        received.append(await queue.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(consumer)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await receive(queue)
        queue.put("item")

    assert ["item"] == received


async def test_two_consumers_that_begin_in_the_same_step() -> None:
    """One of them is refused even if neither waited when the other began."""
    queue = filled(TURN - 1)
    for _ in range(TURN - 1):
        await queue.receive()
    refused = 0  # the next step is one with a turn for the scheduler

    async def consumer() -> None:
        nonlocal refused
        try:
            await queue.receive()
        except trio.BusyResourceError:
            refused += 1
            queue.put("item")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(consumer)
        nursery.start_soon(consumer)

    assert 1 == refused


@ways
async def test_the_end_comes_after_what_is_there(receive: Receive) -> None:
    """What is queued is received, then the end is raised, again and again; nothing more goes in."""
    queue = filled(1)
    queue.end()
    queue.put("late")

    assert queue.offer("late")
    assert ["0"] == await queue.receive_batch()
    for _ in range(2):
        with pytest.raises((trio.EndOfChannel, StopAsyncIteration)):
            await receive(queue)
        with pytest.raises(trio.EndOfChannel):
            queue.receive_nowait()


async def test_an_iteration_ends_only_as_a_channel_does() -> None:
    """Iterating ends at the end of the channel; any other end is raised out of it."""
    ended, broken = filled(1), filled(1)
    ended.end()
    broken.end(trio.BrokenResourceError)

    assert "0" == await anext(ended)
    assert "done" == await anext(ended, "done")
    assert "0" == await anext(broken)
    with pytest.raises(trio.BrokenResourceError):
        await anext(broken, "done")


@pytest.mark.parametrize(
    ("stop", "error"),
    [
        (BoundedQueue.end, trio.EndOfChannel),
        (lambda queue: queue.end(OverflowError), OverflowError),
        (BoundedQueue.abandon, trio.ClosedResourceError),
    ],
)
async def test_who_waits_is_woken_by_the_end(
    stop: Callable[[BoundedQueue[Any]], None], error: type[Exception]
) -> None:
    """A consumer and a producer that wait when the end comes hear of it at once."""
    queue, full = filled(0), filled(1, max_items=1)

    async def consumer() -> None:
        with pytest.raises(error):
            await queue.receive()

    with trio.fail_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(consumer)
            nursery.start_soon(full.wait_room)
            await trio.testing.wait_all_tasks_blocked()
            stop(queue)
            stop(full)
        await full.wait_room()  # there is nothing to wait for any more


@pytest.mark.parametrize(
    ("limits", "count", "until"),
    [
        ({"max_items": 10}, 10, 5),
        ({"max_items": 11}, 11, 5),
        ({"max_items": 1}, 1, 0),
        ({"max_bytes": 10}, 10, 5),
        ({"max_bytes": 1}, 1, 0),
    ],
)
async def test_the_producer_goes_on_at_half_of_the_limit(
    limits: dict[str, int], count: int, until: int
) -> None:
    """A full queue has room again when at most half of each limit is used, not before."""
    queue = filled(count, **limits)

    assert not queue.offer("")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(queue.wait_room)
        await trio.testing.wait_all_tasks_blocked()
        while len(queue) > until:
            assert nursery.child_tasks
            queue.receive_nowait()
            await trio.testing.wait_all_tasks_blocked()
        assert not nursery.child_tasks
    await queue.wait_room()


async def test_a_batch_makes_room() -> None:
    """The producer goes on when everything is taken out at once."""
    queue = filled(2, max_items=2)

    with trio.fail_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(queue.wait_room)
            await trio.testing.wait_all_tasks_blocked()
            await queue.receive_batch()


async def test_a_nudge_lets_the_producer_go_on() -> None:
    """A producer that was nudged goes on though there is no room; the next wait is a new one."""
    queue = filled(2, max_items=2)
    queue.nudge()  # nobody waits: this is not remembered
    with trio.fail_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(queue.wait_room)
            await trio.testing.wait_all_tasks_blocked()
            queue.nudge()
    with trio.move_on_after(0) as scope:
        await queue.wait_room()

    assert scope.cancelled_caught


@pytest.mark.parametrize("receive", ONE_BY_ONE)
async def test_the_scheduler_has_its_turn_at_every_64th_step(receive: Receive) -> None:
    """With always something ready, another task runs once in 64 steps, and not more often.

    A batch leaves nothing, so the next one waits, which is a turn.
    """
    queue = filled(10 * TURN)
    turns = 0

    async def bystander() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(bystander)
        await trio.lowlevel.checkpoint()
        turns = 0
        while len(queue):
            await receive(queue)
        nursery.cancel_scope.cancel()

    assert 64 == TURN
    assert turns in (9, 10, 11)  # whoever of the two runs first


@ways
async def test_cancellation_is_noticed_at_every_step(receive: Receive) -> None:
    """A step in a cancelled scope raises, whichever it is, and takes nothing out."""
    queue = filled(1)
    for _ in range(2 * TURN):
        with trio.CancelScope() as scope:
            scope.cancel()
            await receive(queue)

        assert scope.cancelled_caught
        assert 1 == len(queue)


@given(st.data())
async def test_whatever_is_cancelled_the_sequence_is_whole(data: st.DataObject) -> None:
    """With receives that are cancelled at random points, what is received is complete and in order."""
    count = data.draw(st.integers(0, 100))
    steps = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=60))
    queue: BoundedQueue[Any] = BoundedQueue(4, 8)
    received: list[Any] = []

    async def producer() -> None:
        for number in range(count):
            if not queue.offer(str(number)):
                await queue.wait_room()
                queue.put(str(number))
            if steps[number % len(steps)] == 0:
                await trio.lowlevel.checkpoint()
        queue.end()

    async def cancel(scope: trio.CancelScope, after: int) -> None:
        for _ in range(after):
            await trio.lowlevel.checkpoint()
        scope.cancel()

    async def consumer(nursery: trio.Nursery) -> None:
        number = 0
        while True:
            number += 1
            step = steps[number % len(steps)]
            with trio.CancelScope() as scope:
                if number % 3:  # else without cancellation, so that there is progress
                    nursery.start_soon(cancel, scope, step)
                try:
                    received.extend([await queue.receive()] if step % 2 else await queue.receive_batch())
                except trio.EndOfChannel:
                    return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(producer)
        await consumer(nursery)

    assert [str(number) for number in range(count)] == received
