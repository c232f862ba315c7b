"""The memory that connections share."""

from trio_ohws._wire.scratch import Scratch


def test_the_area() -> None:
    """A read takes 256 KiB, unless told; four times as much where large frames arrive, elsewhere."""
    scratch = Scratch(100)
    scratch.view[:] = b"a" * 100
    scratch.wide[:] = b"b" * 400

    assert b"a" * 100 == scratch.view
    assert b"b" * 400 == scratch.wide
    assert 262144 == len(Scratch().view)


def test_what_is_decrypted_has_an_area_of_its_own() -> None:
    """It is decrypted into one of the others."""
    scratch = Scratch(100)
    scratch.arrivals[:] = b"c" * 400
    scratch.view[:] = b"a" * 100
    scratch.wide[:] = b"b" * 400

    assert b"c" * 400 == scratch.arrivals
