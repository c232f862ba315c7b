"""The flat loop, as it was installed: interpreted from the source tree, compiled from a wheel."""

import os
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from types import ModuleType

import pytest

from trio_ohws._wire import splitter
from trio_ohws._wire.splitter import MANY, split

TEXT = b"\x81\x05hello"
BINARY = b"\x82\x7e\x01\x00" + bytes(256)


def origin(module: ModuleType) -> str:
    """Return the file that a module was loaded from."""
    assert module.__spec__ is not None
    assert module.__spec__.origin is not None
    return module.__spec__.origin


def test_it_is_what_it_is_taken_for() -> None:
    """The source where that is tested, the extension where the wheel is: no stale one beside the source."""
    compiled = os.environ.get("TRIO_OHWS_TESTS") == "wheel" and os.environ.get("TRIO_OHWS_COMPILE") != "0"

    assert origin(splitter).endswith(tuple(EXTENSION_SUFFIXES if compiled else SOURCE_SUFFIXES))


def test_whole_frames_are_cut_out() -> None:
    """Up to what is no whole small frame; what it is stays where it is."""
    messages: list[str | bytes] = []

    assert len(TEXT + BINARY) == split(TEXT + BINARY + TEXT[:-1], 0, 1000, messages)
    assert ["hello", bytes(256)] == messages


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b"\x81",
        TEXT[:-1],
        BINARY[:3],
        b"\x82\x7e\x00\x05hello",  # not the shortest form
        b"\x82\x7e\xff\xff" + bytes(65535),  # over the limit
        b"\x82\x7f" + (65536).to_bytes(8, "big") + bytes(65536),
        b"\x01\x05hello",  # a fragment
        b"\xc1\x05hello",  # compressed, or a breach
        b"\x81\x85hello",  # masked
        b"\x88\x00",
        b"\x8a\x00",
    ],
)
def test_all_else_is_left_to_the_general_step(other: bytes) -> None:
    """It is not judged here."""
    messages: list[str | bytes] = []

    assert len(TEXT) == split(TEXT + other, 0, 65534, messages)
    assert ["hello"] == messages


def test_a_low_limit_leaves_all_to_the_general_step() -> None:
    """Short lengths are not compared with it."""
    assert 0 == split(TEXT, 0, 125, [])


def test_it_begins_where_it_is_told() -> None:
    """And adds to the messages that are there."""
    messages: list[str | bytes] = ["first"]

    assert len(TEXT + TEXT) == split(TEXT + TEXT, len(TEXT), 1000, messages)
    assert ["first", "hello"] == messages


def test_many_messages_are_enough() -> None:
    """Not counted one by one: it may be some thousand more."""
    chunk = b"\x81\x00" * 100_000
    messages: list[str | bytes] = []
    position = split(chunk, 0, 1000, messages)

    assert MANY <= len(messages) <= 16384
    assert position == 2 * len(messages)


def test_text_that_is_none() -> None:
    """The decoder gives the verdict."""
    with pytest.raises(UnicodeDecodeError):
        split(b"\x81\x01\xff", 0, 1000, [])
