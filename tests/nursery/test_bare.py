"""What comes out of a nursery that its user does not know of."""

import inspect
import traceback
import types
from typing import NoReturn

import pytest
import trio
import trio.testing

from trio_ohws.nursery.bare import bare_errors


async def fail(error: BaseException) -> NoReturn:
    """Raise `error` in a task."""
    await trio.lowlevel.checkpoint()
    raise error


async def wait_and_fail(error: BaseException) -> None:
    """Raise `error` when cancelled, as a failing clean-up would."""
    try:
        await trio.sleep_forever()
    finally:
        raise error


def with_context(error: Exception, context: Exception) -> Exception:
    """Return `error` as one that was raised while `context` was handled."""
    error.__context__ = context
    return error


def test_success_passes() -> None:
    """Nothing happens where nothing is raised."""
    with bare_errors():
        result = "result"

    assert "result" == result


@pytest.mark.parametrize("error", [ValueError("real"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
async def test_one_error_comes_out_bare(error: BaseException) -> None:
    """The very object that was raised in a task is raised, without a group."""
    with pytest.raises(type(error)) as caught, bare_errors():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail, error)
            await trio.sleep_forever()

    assert error is caught.value
    assert error.__context__ is None


def test_an_error_outside_a_nursery_passes() -> None:
    """What is no group is none of its business."""
    error = ValueError("real")
    with pytest.raises(ValueError, match="real") as caught, bare_errors():
        raise error

    assert error is caught.value


async def test_several_errors_come_out_as_the_group() -> None:
    """None of two is dropped, and neither is made the context of the other."""
    with pytest.RaisesGroup(ValueError, KeyError) as caught, bare_errors():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_and_fail, ValueError("one"))
            nursery.start_soon(fail, KeyError("two"))

    assert caught.value.__context__ is None


@pytest.mark.parametrize("from_task", [True, False], ids=["task", "body"])
async def test_a_group_of_the_users_is_untouched(from_task: bool) -> None:
    """A group that the user raised, even of one error, is one error here, and comes out as it is."""
    mine = ExceptionGroup("mine", [ValueError("inner")])
    with pytest.RaisesGroup(ValueError) as caught, bare_errors():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            if not from_task:
                raise mine
            nursery.start_soon(fail, mine)

    # Trio may have copied it when it took the Cancelled beside it out.
    assert ("mine", mine.exceptions) == (caught.value.message, caught.value.exceptions)


async def test_a_nested_nursery_keeps_its_group() -> None:
    """Only one level is taken off: the group of a nursery of the user's is the user's."""
    with pytest.RaisesGroup(ValueError), bare_errors():
        async with trio.open_nursery():
            async with trio.open_nursery() as inner:
                inner.start_soon(trio.sleep_forever)
                inner.start_soon(fail, ValueError("real"))


async def test_the_context_is_kept() -> None:
    """`__context__` and `__cause__` are those that the error had, not the group that it was in."""
    context, cause = KeyError("context"), OSError("cause")
    error = with_context(ValueError("real"), context)
    error.__cause__ = cause
    with pytest.raises(ValueError, match="real") as caught, bare_errors():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(fail, error)

    assert (context, cause) == (caught.value.__context__, caught.value.__cause__)


async def test_an_error_is_told_without_the_cancellation_beside_it() -> None:
    """With one real error, what else was only cancelled from outside is dropped; the scope ends it anyway."""
    with trio.CancelScope() as scope:
        with pytest.raises(ValueError, match="real"), bare_errors():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                nursery.start_soon(wait_and_fail, ValueError("real"))
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        await trio.lowlevel.checkpoint()

    assert scope.cancelled_caught


async def test_cancellation_passes() -> None:
    """Where all was cancelled from outside, Cancelled comes out bare, and reaches its own scope."""
    seen: list[BaseException] = []
    with trio.CancelScope() as scope:
        try:
            with bare_errors():
                async with trio.open_nursery() as nursery:
                    for _ in range(3):
                        nursery.start_soon(sleep_in_a_nursery)
                    await trio.testing.wait_all_tasks_blocked()
                    scope.cancel()
        except BaseException as error:
            seen.append(error)
            raise

    assert scope.cancelled_caught
    assert [trio.Cancelled] == [type(error) for error in seen]


async def sleep_in_a_nursery() -> None:
    """Sleep so that a cancellation comes out in a group in a group."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        nursery.start_soon(trio.sleep_forever)


async def test_a_cancelled_group_beside_an_error_does_not_count() -> None:
    """A group of nothing but Cancelled is no real error."""
    with trio.CancelScope() as scope:
        with pytest.raises(ValueError, match="real"), bare_errors():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(sleep_in_a_nursery)
                nursery.start_soon(wait_and_fail, ValueError("real"))
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        await trio.lowlevel.checkpoint()

    assert scope.cancelled_caught


async def test_a_group_with_a_real_error_and_a_cancellation_counts_as_real() -> None:
    """A user's group that holds both comes out whole."""
    with trio.CancelScope() as scope:
        with pytest.RaisesGroup(ValueError, trio.Cancelled), bare_errors():
            async with trio.open_nursery():
                async with trio.open_nursery() as inner:
                    inner.start_soon(wait_and_fail, ValueError("real"))
                    inner.start_soon(trio.sleep_forever)
                    await trio.testing.wait_all_tasks_blocked()
                    scope.cancel()
        await trio.lowlevel.checkpoint()

    assert scope.cancelled_caught


async def test_its_frames_hold_no_error() -> None:
    """A frame in an error's traceback that holds the error would be a cycle, which frees nothing in time."""
    with pytest.raises(ValueError, match="real") as caught, bare_errors():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(fail, ValueError("real"))
    source = inspect.getsourcefile(bare_errors)
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    variables = [
        value for frame in frames if frame.f_code.co_filename == source for value in frame.f_locals.values()
    ]

    assert variables
    assert not [value for value in variables if isinstance(value, BaseException | types.TracebackType)]
    assert not [value for value in variables if isinstance(value, list) and value]
