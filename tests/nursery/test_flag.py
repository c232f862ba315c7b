"""Something that is going to happen once."""

import trio
import trio.testing

from trio_ohws.nursery.flag import Flag


async def test_who_waits_goes_on_when_it_happens() -> None:
    """All who wait are woken, and who comes later does not wait; each call is a checkpoint."""
    flag = Flag()
    woken = []

    async def wait(name: str) -> None:
        await flag.wait()
        woken.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, "first")
        nursery.start_soon(wait, "second")
        await trio.testing.wait_all_tasks_blocked()

        assert [] == woken
        assert not flag.is_set()
        flag.set()
        assert flag.is_set()

    assert ["first", "second"] == sorted(woken)
    with trio.testing.assert_checkpoints():
        await flag.wait()


async def test_it_happens_once() -> None:
    """Setting it before anybody waits, and again, changes nothing."""
    flag = Flag()
    flag.set()
    flag.set()
    await flag.wait()

    assert flag.is_set()


async def test_a_wait_can_be_cancelled() -> None:
    """Who was cancelled is gone; the others still wait."""
    flag = Flag()
    with trio.move_on_after(0) as scope:
        await flag.wait()

    assert scope.cancelled_caught
    assert not flag.is_set()
