"""The callbacks that methods got: in order, one at a time, never too early."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from trio_ohws.errors import BusinessError
from trio_ohws.events.emitter import Spawn
from trio_ohws.events.queue import TURN
from trio_ohws.events.replies import Replies, reply


class Calls(list[Any]):
    """What was called with what."""

    def sync(self, error: BusinessError | None, value: object) -> None:
        """Take note, inline."""
        self.append(value)

    async def slow(self, error: BusinessError | None, value: object) -> None:
        """Take note when everything else is through with its work."""
        await trio.testing.wait_all_tasks_blocked()
        self.append(value)


def counting(nursery: trio.Nursery) -> tuple[Spawn, list[object]]:
    """Return a spawn that takes note of what it started."""
    started: list[object] = []

    def spawn(function: Callable[[], Any]) -> None:
        started.append(function)
        nursery.start_soon(function)

    return spawn, started


async def test_reply_calls_or_awaits() -> None:
    """A sync callback is called, an async one awaited, and so is one that returns an awaitable."""
    calls = Calls()
    await reply(calls.sync, None, 1)
    await reply(calls.slow, None, 2)
    await reply(lambda error, value: calls.slow(error, value), None, 3)
    refused = BusinessError(401)
    await reply(lambda error, value: calls.append((error, value)), refused, None)

    assert [1, 2, 3, (refused, None)] == calls


async def test_callbacks_are_called_in_the_order_of_the_calls() -> None:
    """Slow callbacks hold up the quick ones behind them, rather than being overtaken."""
    calls = Calls()
    async with trio.open_nursery() as nursery:
        replies = Replies()
        for number in range(6):
            replies.put(nursery.start_soon, calls.sync if number % 2 else calls.slow, None, number)

    assert [0, 1, 2, 3, 4, 5] == calls


async def test_no_callback_is_called_before_the_method_has_returned() -> None:
    """Nothing is called before the next checkpoint, be it the first callback or a later one."""
    calls = Calls()
    async with trio.open_nursery() as nursery:
        replies = Replies()
        for number in range(3):
            replies.put(nursery.start_soon, calls.sync, None, number)

            assert number == len(calls)
            await trio.testing.wait_all_tasks_blocked()


async def test_a_callback_may_put_another() -> None:
    """What a callback causes comes behind what waits already; a task begins anew when there was none."""
    calls = Calls()
    async with trio.open_nursery() as nursery:
        spawn, started = counting(nursery)
        replies = Replies()

        def first(error: BusinessError | None, value: object) -> None:
            calls.append(value)
            replies.put(spawn, calls.sync, None, "third")

        replies.put(spawn, first, None, "first")
        replies.put(spawn, calls.sync, None, "second")
        await trio.testing.wait_all_tasks_blocked()

        assert ["first", "second", "third"] == calls
        assert 1 == len(started)
        replies.put(spawn, calls.sync, None, "fourth")

    assert ["first", "second", "third", "fourth"] == calls


async def test_what_a_callback_raises_comes_out() -> None:
    """The exception of a sync and of an async callback is the task's; those behind it are not called."""
    calls = Calls()

    def fail(error: BusinessError | None, value: object) -> None:
        raise ValueError

    async def fail_async(error: BusinessError | None, value: object) -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError

    for callback in (fail, fail_async):
        with pytest.RaisesGroup(ValueError):
            async with trio.open_nursery() as nursery:
                replies = Replies()
                replies.put(nursery.start_soon, callback, None, None)
                replies.put(nursery.start_soon, calls.sync, None, None)

    assert [] == calls


async def test_callbacks_leave_others_their_turn() -> None:
    """A callback that always puts itself again starves nobody, and is ended by a cancellation."""
    calls = Calls()
    async with trio.open_nursery() as nursery:
        replies = Replies()

        def again(error: BusinessError | None, value: object) -> None:
            calls.append(value)
            replies.put(nursery.start_soon, again, None, value)

        replies.put(nursery.start_soon, again, None, 0)
        for _ in range(4):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()

    assert 0 < len(calls) <= 5 * TURN


async def test_a_put_that_cannot_be_called_leaves_nothing_behind() -> None:
    """If no task can be started the error is the caller's, and a later put begins anew."""
    calls = Calls()
    replies = Replies()

    def refuse(function: object) -> None:
        raise IndexError

    with pytest.raises(IndexError):
        replies.put(refuse, calls.sync, None, "lost")
    async with trio.open_nursery() as nursery:
        replies.put(nursery.start_soon, calls.sync, None, "told")

    assert ["told"] == calls
