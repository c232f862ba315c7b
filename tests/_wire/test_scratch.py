"""The memory that connections share."""

import pytest

from trio_ohws._wire.scratch import Scratch


def test_the_area() -> None:
    """A read takes 256 KiB, unless told; twice as much where large frames arrive, elsewhere."""
    scratch = Scratch(100)
    scratch.view[:] = b"a" * 100
    scratch.wide[:] = b"b" * 200

    assert b"a" * 100 == scratch.view
    assert b"b" * 200 == scratch.wide
    assert 262144 == len(Scratch().view)


def test_a_buffer_is_lent_to_one() -> None:
    """Two frames that arrive at the same time never share a buffer."""
    scratch = Scratch()
    scratch.give_back(bytearray(1000))
    one, other = scratch.lend(1000), scratch.lend(1000)

    assert one is not other


def test_a_buffer_comes_back_warm() -> None:
    """What was given back is lent again, for frames of its size and smaller."""
    scratch = Scratch()
    buffer = scratch.lend(1000)
    scratch.give_back(buffer)
    assert buffer is scratch.lend(1000)
    scratch.give_back(buffer)

    assert buffer is scratch.lend(10)


def test_a_buffer_that_is_too_small_is_kept() -> None:
    """A larger frame gets a new buffer; the spare waits for a smaller one."""
    scratch = Scratch()
    spare = scratch.lend(1000)
    scratch.give_back(spare)

    assert 1001 == len(scratch.lend(1001))
    assert spare is scratch.lend(1000)


@pytest.mark.parametrize(("first", "second"), [(1000, 2000), (2000, 1000)])
def test_the_larger_spare_is_kept(first: int, second: int) -> None:
    """One spare is kept, the largest."""
    scratch = Scratch()
    for size in (first, second):
        scratch.give_back(bytearray(size))

    assert 2000 == len(scratch.lend(1))
    assert 1 == len(scratch.lend(1)), "there is only one"


def test_a_huge_buffer_is_not_kept() -> None:
    """A spare may have 4 MiB; more is given back to the system."""
    scratch = Scratch()
    scratch.give_back(bytearray(scratch.SPARE_LIMIT + 1))
    assert 1 == len(scratch.lend(1))
    scratch.give_back(bytearray(scratch.SPARE_LIMIT))

    assert 4 * 1024 * 1024 == scratch.SPARE_LIMIT == len(scratch.lend(1))
