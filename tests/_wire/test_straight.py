"""Large frames that are read straight into memory of their own, one behind the other."""

import tracemalloc
from collections.abc import Iterator

import pytest

from tests._wire.reception import LIMIT, Verdict, drain, take_in
from tests.scripted_peer import BINARY, CONT, PING, TEXT, frame
from trio_ohws._wire.decoder import Control, Decoder, Handover, Message
from trio_ohws._wire.scratch import Scratch

SIZE = 65536
LARGE = frame(BINARY, b"b" * SIZE)
MEBIBYTE = 1 << 20


class Source:
    """Bytes that have arrived where they can be read at any time."""

    def __init__(self, data: bytes) -> None:
        self.left = data
        self.given: list[bytes] = []

    def read(self, size: int) -> bytes:
        """Return so many bytes, or what there is."""
        data, self.left = self.left[:size], self.left[size:]
        self.given.append(data)
        return data


def handed_over(decoder: Decoder, data: bytes = LARGE) -> list[Message]:
    """Receive the whole of a large frame, and what comes with it, up to the end of `large_frames`."""
    return [*take_in(decoder, data), *decoder.large_frames()]


def in_place(decoder: Decoder) -> list[Message]:
    """Receive one large frame whose rest goes into the memory of its message."""
    decoder.feed(LARGE[:100])
    assert [] == drain(decoder)
    return take_in(decoder, LARGE[100:])


def test_they_are_read_behind_one_that_ends_a_read() -> None:
    """Which may have been received in place: then it is handed over as those of the area are."""
    decoder = Decoder(Scratch(), LIMIT)
    assert [b"b" * SIZE] == in_place(decoder)
    assert isinstance(decoder.stop, Handover)
    source = Source(LARGE + frame(TEXT, "ä" * 40_000))

    assert [b"b" * SIZE, "ä" * 40_000] == [*decoder.arriving_frames(source.read)]
    assert decoder.idle
    assert [] == drain(decoder)


def test_the_memory_is_the_messages() -> None:
    """What was read is what is told, without a copy, and one is read when the one before was told."""
    decoder = Decoder(Scratch(), LIMIT)
    in_place(decoder)
    source = Source(LARGE * 3)
    frames = decoder.arriving_frames(source.read)
    assert [] == source.given
    for count in (1, 2, 3):
        message = next(frames)

        assert message is source.given[-1]
        assert 2 * count == len(source.given)


def test_one_that_is_cut_is_completed() -> None:
    """By what is there, and those behind it follow."""
    decoder = Decoder(Scratch(), LIMIT)
    wire = LARGE * 4
    told = handed_over(decoder, wire[:150_000])
    source = Source(wire[150_000:])

    assert [b"b" * SIZE] * 2 == told
    assert [b"b" * SIZE] * 2 == [*decoder.arriving_frames(source.read)]
    assert decoder.idle


@pytest.mark.parametrize("there", [0, 1, 9, 10, 11, 30_000, SIZE + 9])
def test_one_that_is_not_all_there_comes_in_the_common_way(there: int) -> None:
    """None of it is lost, and only what is missing of it is received."""
    decoder = Decoder(Scratch(), LIMIT)
    in_place(decoder)
    assert [] == [*decoder.arriving_frames(Source(LARGE[:there]).read)]
    assert [] == drain(decoder)
    assert (there > 0) is not decoder.idle

    told = []
    rest = LARGE[there:] + frame(TEXT, "next")
    while rest:
        buffer = decoder.get_buffer()
        count = min(len(buffer), len(rest))
        buffer[:count] = rest[:count]
        rest = rest[count:]
        decoder.buffer_updated(count)
        told += drain(decoder)
    assert [b"b" * SIZE, "next"] == told


OTHERS = [
    (frame(TEXT, "small"), ["small"]),
    (frame(BINARY, b"v" * 70_000, fin=False) + frame(CONT, b"e"), [b"v" * 70_000 + b"e"]),
    (frame(PING, b"p" * 20), [Control(PING, b"p" * 20)]),
    (frame(BINARY, b"v" * 250_000), [b"v" * 250_000]),
    (frame(BINARY, bytes(LIMIT + 1)), [Verdict(1009, f"message over {LIMIT} bytes")]),
    (frame(TEXT, b"\xff" * SIZE), [Verdict(1007, "text that is not UTF-8")]),
    (b"\xc2" + LARGE[1:], [Verdict(1002, "reserved bits set")]),
    (b"\x82\xff" + LARGE[2:], [Verdict(1002, "masked frame from a server")]),
    (frame(CONT, bytes(SIZE)), [Verdict(1002, "continuation of no message")]),
    (
        b"\x82\x7f" + bytes(7) + b"x" + bytes(SIZE),
        [Verdict(1002, "length not in its shortest form, or over 63 bits")],
    ),
]


@pytest.mark.parametrize(("other", "told"), OTHERS, ids=range(len(OTHERS)))
def test_all_else_is_left_to_the_general_step(other: bytes, told: list[object]) -> None:
    """It is judged there, and as there; those before it are told first."""
    decoder = Decoder(Scratch(), LIMIT)
    in_place(decoder)
    source = Source(LARGE + other)
    assert [b"b" * SIZE] == [*decoder.arriving_frames(source.read)]
    heard = drain(decoder)
    if source.left and not heard:  # it is received in the common way
        buffer = decoder.get_buffer()
        data = source.read(len(buffer))
        buffer[: len(data)] = data
        decoder.buffer_updated(len(data))
        heard = drain(decoder)

    assert told == heard


@pytest.mark.parametrize(
    "before",
    [
        frame(BINARY, b"v" * 250_000),
        LARGE + frame(TEXT, "a"),
        LARGE + frame(TEXT, "a")[:2],
        LARGE + frame(BINARY, b"v", fin=False),
    ],
    ids=["larger", "a small one behind it", "the beginning of one", "a fragment"],
)
def test_where_others_come_nothing_is_read(before: bytes) -> None:
    """It would be a system call in vain for each."""
    decoder = Decoder(Scratch(), LIMIT)
    handed_over(decoder, before)
    source = Source(LARGE)

    assert [] == [*decoder.arriving_frames(source.read)]
    assert [] == source.given


def test_others_get_their_turn() -> None:
    """After 2 MiB."""
    decoder = Decoder(Scratch(), LIMIT)
    in_place(decoder)
    source = Source(LARGE * 40)

    assert 32 == len([*decoder.arriving_frames(source.read)])
    assert LARGE * 8 == source.left


def test_where_that_serves_little_is_left_to_the_area() -> None:
    """So it stays as it is; where it does not serve, the area is the wide one as before."""
    decoder = Decoder(Scratch(), LIMIT)
    offered = []
    for at_hand in (LARGE, LARGE, b"", b""):
        handed_over(decoder, LARGE + LARGE[:5])
        straight = [*decoder.arriving_frames(Source(at_hand[5:]).read)]
        assert [b"b" * SIZE] * (len(at_hand) > 0) == straight
        assert [] == drain(decoder)
        offered.append(len(decoder.get_buffer()))
        decoder.abandon()

    assert [MEBIBYTE, MEBIBYTE // 4, MEBIBYTE // 4 - 5, MEBIBYTE - 5] == offered, "5 bytes are kept"


def test_one_message_is_alive_at_a_time() -> None:
    """The one that is being told."""
    decoder = Decoder(Scratch(), LIMIT)
    in_place(decoder)
    left = 20

    def read(size: int) -> bytes:
        nonlocal left
        if size == 10:
            left -= 1
            return LARGE[:10] if left else b""
        return bytes(size)

    def told() -> Iterator[int]:
        for message in decoder.arriving_frames(read):
            yield len(message)
            del message

    tracemalloc.start()
    try:
        assert 19 * SIZE == sum(told())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < SIZE + 10_000
