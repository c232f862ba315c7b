"""The decoder: every way of cutting a server's bytes tells the same, and every breach is refused."""

import itertools
import struct
import tracemalloc
from collections.abc import Iterator

import hypothesis
import pytest
from hypothesis import strategies as st

from tests._wire.reception import LIMIT, Link, Told, Verdict, drain, receive, take_in
from tests.scripted_peer import BINARY, CLOSE, CONT, PING, PONG, TEXT, close_frame, frame
from trio_ohws._wire.decoder import MAX_FRAGMENTS, Control, Decoder, Handover, Message, Pause
from trio_ohws._wire.frames import Violation
from trio_ohws._wire.scratch import Scratch

SMALLEST_SCRATCH = 127  # a whole control frame


# Sizes at which the header, the path or the memory changes; and those that make a whole frame just fit.
EDGES = sorted(
    {
        size + offset
        for size in (125, 127, 256, 32768, 65536, 262144)
        for offset in (-11, -10, -9, -4, -3, -2, -1, 0, 1, 2, 3, 4, 9, 10, 11)
    }
)
SIZES = st.one_of(st.integers(0, 130), st.sampled_from(EDGES))
READS = st.lists(st.one_of(st.integers(1, 12), st.sampled_from([*EDGES, 40000])), max_size=30)
SCRATCHES = st.sampled_from([SMALLEST_SCRATCH, 128, 256, 4096, 32768, 65536, 65546, 262144])


@st.composite
def binaries(draw: st.DrawFn) -> bytes:
    """A binary payload."""
    size, seed = draw(SIZES), draw(st.binary(min_size=1, max_size=5))
    return (seed * size)[:size]


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A text of about one of the sizes."""
    size, seed = draw(SIZES), draw(st.text(min_size=1, max_size=5))
    data = (seed * size).encode()[:size]
    return data.decode(errors="ignore").ljust(size - len(data) + 1, "a") if size else ""


@st.composite
def controls(draw: st.DrawFn) -> Control:
    """A ping or a pong."""
    payload = draw(st.one_of(st.binary(max_size=4), st.sampled_from([b"p" * 124, b"p" * 125])))
    return Control(draw(st.sampled_from([PING, PONG])), payload)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[Told]]:
    """The bytes of a server that keeps the rules, and what is to be told of them."""
    wire = b""
    told: list[Told] = []
    for _ in range(draw(st.integers(1, 5))):
        if draw(st.integers(0, 4)) == 0:
            told.append(control := draw(controls()))
            wire += frame(*control)
            continue
        message: Message = draw(st.one_of(texts(), binaries()))
        payload, opcode = (message.encode(), TEXT) if isinstance(message, str) else (message, BINARY)
        if draw(st.booleans()):
            places = sorted(draw(st.lists(st.integers(0, len(payload)), min_size=1, max_size=4)))
            for start, end in itertools.pairwise([0, *places]):
                wire += frame(opcode, payload[start:end], fin=False)
                opcode = CONT
                for control in draw(st.lists(controls(), max_size=2)):
                    wire += frame(*control)
                    told.append(control)
            payload = payload[places[-1] :]
        wire += frame(opcode, payload)
        told.append(message)
    return wire, told


def two_cuts(data: bytes) -> Iterator[tuple[int, ...]]:
    """Every way of cutting `data` into at most three reads, and single bytes."""
    yield (1,) * len(data)
    for first in range(1, len(data) + 1):
        for second in range(1, len(data) - first + 1):
            yield first, second


# What is told of what arrives


@hypothesis.given(conversations(), READS, SCRATCHES)
def test_cuts_and_memory_do_not_matter(
    conversation: tuple[bytes, list[Told]], reads: list[int], size: int
) -> None:
    """Every way of cutting a conversation, into areas of every size, tells the same."""
    wire, told = conversation

    assert told == receive(wire, reads, scratch=Scratch(size))


@hypothesis.settings(max_examples=50)
@hypothesis.given(
    st.lists(conversations(), min_size=2, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 70000)), max_size=60),
    SCRATCHES,
)
def test_decoders_share_one_scratch(
    conversations: list[tuple[bytes, list[Told]]], turns: list[tuple[int, int]], size: int
) -> None:
    """Connections that receive in turn into one scratch do not see each other."""
    scratch = Scratch(size)
    links = [Link(wire, scratch) for wire, _ in conversations]

    for turn, count in turns:
        if not (link := links[turn % len(links)]).ended:
            link.read(count)
    while running := [link for link in links if not link.ended]:
        for link in running:
            link.read(100_000)

    assert [told for _, told in conversations] == [link.told for link in links]


SHORT = b"".join(
    [
        frame(TEXT, "dé\n\r\n\ufeff"),
        frame(PING, b"?"),
        frame(TEXT, b"\xf0\x9f", fin=False),
        frame(PONG),
        frame(CONT, b"", fin=False),
        frame(CONT, b"\x98\x80"),
        frame(BINARY, b"\x82\x00"),
        frame(BINARY, b"", fin=False),
        frame(CONT),
        frame(TEXT),
        close_frame(1001, "bye"),
    ]
)
SHORT_TOLD: list[Told] = [
    "dé\n\r\n\ufeff",
    Control(PING, b"?"),
    Control(PONG, b""),
    "😀",
    b"\x82\x00",
    b"",
    "",
    Control(CLOSE, b"\x03\xe9bye"),
]


def test_every_cut() -> None:
    """Each way of cutting a short conversation in two or three tells the same."""
    for cuts in two_cuts(SHORT):
        assert SHORT_TOLD == receive(SHORT, cuts, scratch=Scratch(SMALLEST_SCRATCH)), cuts


@pytest.mark.parametrize("size", [126, 127, 65535, 65536, 65537])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_every_cut_around_a_long_header(opcode: int, size: int) -> None:
    """A long form's header may be cut anywhere, with a message before and one behind it."""
    payload = b"x" * size
    wire = frame(TEXT, "a") + frame(opcode, payload) + frame(BINARY, b"b")

    for cuts in itertools.product(range(1, 15), range(1, 12)):
        assert ["a", payload.decode() if opcode == TEXT else payload, b"b"] == receive(wire, cuts), cuts


@pytest.mark.parametrize(
    ("wire", "told"),
    [
        (b"\x81\x05\x48\x65\x6c\x6c\x6f", ["Hello"]),
        (b"\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f", ["Hello"]),
        (b"\x89\x05\x48\x65\x6c\x6c\x6f", [Control(PING, b"Hello")]),
        (b"\x82\x7e\x01\x00" + bytes(range(256)), [bytes(range(256))]),
        (b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + bytes(range(256)) * 256, [bytes(range(256)) * 256]),
        (b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", [Verdict(1002, "masked frame from a server")]),
    ],
    ids=["text", "fragmented text", "ping", "256 bytes", "64 KiB", "a client's text"],
)
def test_examples_of_the_rfc(wire: bytes, told: list[Told]) -> None:
    """The example frames of RFC 6455 section 5.7 mean what it says."""
    assert told == receive(wire)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 32767, 32768, 65535, 65536, 100_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_fast_path_agrees_with_the_general_one(opcode: int, size: int) -> None:
    """A whole frame and the same payload in fragments become equal messages of the same type."""
    payload = b"y" * size
    (fast,) = receive(frame(opcode, payload), scratch=Scratch(262144))
    (general,) = receive(frame(opcode, b"", fin=False) + frame(CONT, payload), scratch=Scratch(262144))

    assert (str if opcode == TEXT else bytes) is type(fast) is type(general)
    assert fast == general == (payload.decode() if opcode == TEXT else payload)


def test_a_control_frame_ends_the_pass() -> None:
    """The messages behind a control frame are decoded in the next pass, without another read."""
    decoder = Decoder(Scratch(), LIMIT)
    decoder.feed(frame(TEXT, "a") + frame(PING, b"1") + frame(TEXT, "b") + frame(PING, b"2"))

    assert (["a"], Control(PING, b"1")) == (decoder.decode(), decoder.stop)
    assert (["b"], Control(PING, b"2")) == (decoder.decode(), decoder.stop)
    assert ([], None) == (decoder.decode(), decoder.stop)


def test_decoding_once_more_changes_nothing() -> None:
    """A pass without new bytes tells nothing and loses nothing, wherever the last one stopped."""
    for wire in (SHORT, frame(BINARY, b"z" * 40000)):
        link = Link(wire, Scratch(), LIMIT)
        while not link.ended:
            link.read(1 if len(wire) < 100 else 3000)

            assert ([], None) == (link.decoder.decode(), link.decoder.stop)
        assert (SHORT_TOLD if wire is SHORT else [b"z" * 40000]) == link.told


def test_a_read_of_nothing_changes_nothing() -> None:
    """An update of zero bytes keeps the tail that waits for the rest of a header."""
    decoder = Decoder(Scratch(), LIMIT)
    decoder.feed(b"\x81")
    assert [] == drain(decoder)
    decoder.get_buffer()
    decoder.buffer_updated(0)
    assert [] == drain(decoder)
    decoder.feed(b"\x01a")

    assert ["a"] == drain(decoder)


# Bytes that came with the head


@hypothesis.given(conversations(), st.integers(0, 200_000), READS)
def test_bytes_that_came_with_the_head(
    conversation: tuple[bytes, list[Told]], place: int, reads: list[int]
) -> None:
    """Bytes that are fed come before those that are received, wherever the cut is."""
    wire, told = conversation
    link = Link(wire[place:], Scratch(), LIMIT)
    link.decoder.feed(wire[:place])
    link.told += drain(link.decoder)
    sizes = iter(reads)
    while not link.ended:
        link.read(next(sizes, len(wire)))

    assert told == link.told


@hypothesis.settings(max_examples=50)
@hypothesis.given(conversations(), st.lists(st.integers(1, 70000), max_size=20))
def test_feeding_everything(conversation: tuple[bytes, list[Told]], sizes: list[int]) -> None:
    """Feeding piece by piece tells the same as receiving, also without decoding in between."""
    wire, told = conversation
    piecewise, at_once = Decoder(Scratch(), LIMIT), Decoder(Scratch(), LIMIT)
    pieces, rest = [], wire
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    found = []
    for piece in [*pieces, rest]:
        piecewise.feed(piece)
        found += drain(piecewise)
        at_once.feed(piece)

    assert told == found == drain(at_once)


def test_feeding_behind_a_control_frame() -> None:
    """What is fed while a control frame stands waits behind what is there already."""
    decoder = Decoder(Scratch(), LIMIT)
    decoder.feed(frame(PING) + frame(TEXT, "a") + b"\x81")
    assert [] == decoder.decode()
    decoder.feed(b"\x01b")

    assert ["a", "b"] == drain(decoder)


# Memory


@pytest.mark.parametrize("size", [65536, 70000, 200_000])
def test_a_large_frame_that_is_all_there(size: int) -> None:
    """A large binary frame that arrives whole is told once, and what follows it is untouched."""
    decoder = Decoder(Scratch(1 << 18), LIMIT)
    payload = b"w" * size
    decoder.feed(frame(BINARY, payload))
    assert [payload] == drain(decoder)
    decoder.feed(frame(BINARY, b"x", fin=False) + frame(CONT, b"y") + frame(TEXT, "z"))

    assert [b"xy", "z"] == drain(decoder)


LARGE: list[Message] = ["ä" * 35_000, b"b" * 70_000, "\U0001f600" * 20_000]
LARGE_FRAMES = b"".join(frame(TEXT if isinstance(one, str) else BINARY, one) for one in LARGE)


@pytest.mark.parametrize("kept", [False, True])
def test_large_messages_are_handed_over_one_by_one(kept: bool) -> None:
    """Between two of them others may receive, if the rest is kept from them."""
    scratch = Scratch()
    decoder = Decoder(scratch, LIMIT)
    messages = [take_in(decoder, LARGE_FRAMES + frame(TEXT, "a") + frame(TEXT, "b"))]
    while isinstance(decoder.stop, Handover):
        assert not decoder.idle
        if kept:
            decoder.keep()
            for area in (scratch.view, scratch.wide):
                area[:] = bytes(len(area))
        messages.append(decoder.decode())

    assert decoder.stop is None
    assert decoder.idle
    assert [*LARGE, "a", "b"] == [one for some in messages for one in some]
    assert 1 == len(messages[0])
    assert kept or [[one] for one in LARGE] == messages[:3]


def test_where_large_frames_arrive_whole_more_is_read_at_a_time() -> None:
    """The read after them is four times as large; the one after that, and any after a wait, as usual."""
    scratch = Scratch()
    decoder = Decoder(scratch, LIMIT)
    offered = []
    for data in (frame(TEXT, "small"), LARGE_FRAMES, LARGE_FRAMES, frame(TEXT, "small")):
        offered.append(len(decoder.get_buffer()))
        take_in(decoder, data)
        drain(decoder)
    offered.append(len(decoder.get_buffer()))
    take_in(decoder, LARGE_FRAMES)
    drain(decoder)
    decoder.keep()
    offered.append(len(decoder.get_buffer()))

    assert [262144, 262144, 1048576, 1048576, 262144, 262144] == offered


def test_bad_text_in_a_large_frame_that_is_all_there() -> None:
    """It is refused like any other, and what was before it is told."""
    bad = frame(BINARY, b"a" * 65536) + frame(TEXT, b"b" * 65536 + b"\xff")

    assert [b"a" * 65536, Verdict(1007, "text that is not UTF-8")] == receive(bad)


def test_a_large_message_inside_a_fragmented_one_is_refused() -> None:
    """Also where it comes after a pass that a large frame has ended."""
    data = frame(TEXT, b"a") + b"\x02\x01x" + frame(BINARY, b"v" * 70_000) + frame(TEXT, b"b")

    assert ["a", Verdict(1002, "new message inside a fragmented one")] == receive(data)


def test_a_large_frame_is_received_in_place() -> None:
    """While much of a large binary frame is missing, the memory offered is its own buffer, exactly."""
    scratch = Scratch(65536)
    decoder = Decoder(scratch, LIMIT)
    decoder.feed(frame(BINARY, b"v" * 100_000)[:1010])
    assert [] == drain(decoder)

    offered = []
    for size in (30000, 30000, 6232, 1):
        offered.append(len(buffer := decoder.get_buffer()))
        buffer[:size] = b"v" * size
        decoder.buffer_updated(size)
        assert [] == drain(decoder)

    assert [99000, 69000, 39000, 32768] == offered
    assert 65536 == len(decoder.get_buffer()), "32768 bytes are worth a read, fewer are not"


def test_a_large_frame_is_its_message() -> None:
    """It is received into the memory of the message itself: there is no copy of it at any time."""
    size = 1 << 20
    scratch = Scratch(32768)
    assert 131072 == len(scratch.wide), "which exists from now on"
    decoder = Decoder(scratch, LIMIT)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        decoder.feed(struct.pack("!BBQ", 0x80 | BINARY, 127, size))
        messages = decoder.decode()
        while not messages:
            buffer = decoder.get_buffer()
            count = min(len(buffer), 100_000)
            buffer[:count] = b"v" * count
            decoder.buffer_updated(count)
            messages = decoder.decode()
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()

    assert [b"v" * size] == messages
    assert peak < size + 200_000


def test_an_abandoned_frame_takes_its_memory_along() -> None:
    """Though a read failed in the middle of it, and the error's frames still have what was lent for that."""
    decoder = Decoder(Scratch(), 1 << 26)
    decoder.feed(b"\x82\x7f" + (1 << 20).to_bytes(8, "big"))
    assert [] == decoder.decode()
    lent = decoder.get_buffer()
    assert 1 << 20 == len(lent)
    decoder.abandon()

    with pytest.raises(ValueError, match="released"):
        len(lent)


def test_an_announced_frame_allocates_no_more_than_the_limit() -> None:
    """A frame within the limit costs its own size at most; one over it costs nothing, before it arrives."""
    limit = 1 << 20
    scratch = Scratch(32768)
    assert 131072 == len(scratch.wide), "which exists from now on"
    peaks = []
    tracemalloc.start()
    try:
        for opcode, size in itertools.product((TEXT, BINARY), (limit, limit + 1, (1 << 63) - 1)):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            receive(struct.pack("!BBQ", 0x80 | opcode, 127, size) + b"x", scratch=scratch, limit=limit)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    text, text_over, text_huge, binary, binary_over, binary_huge = peaks

    assert limit <= binary < limit + 200_000
    assert max(text, text_over, text_huge, binary_over, binary_huge) < 200_000


def test_control_frames_do_not_copy_what_is_behind_them() -> None:
    """A flood of pongs costs each of them a pass, but no copy of the rest."""
    decoder = Decoder(Scratch(), LIMIT)
    decoder.feed(frame(PONG) * 100_000)
    assert [] == decoder.decode()
    tracemalloc.start()
    try:
        for _ in range(10):
            assert [] == decoder.decode()
            assert Control(PONG, b"") == decoder.stop
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 10_000
    assert 100_000 - 11 == len(drain(decoder))


@pytest.mark.parametrize(
    ("first", "flood", "at_most"),
    [
        pytest.param(b"", frame(TEXT), 16384 + 1024, id="empty messages"),
        pytest.param(b"", frame(BINARY, "four"), 16384 + 1024, id="short messages"),
        pytest.param(b"", frame(TEXT, fin=False) + frame(CONT), 512, id="messages of two fragments"),
        pytest.param(frame(BINARY, fin=False), frame(CONT, fin=False), 1024, id="empty fragments"),
        pytest.param(frame(TEXT, fin=False), frame(CONT, "x", fin=False), 1024, id="fragments"),
    ],
)
def test_a_pass_is_short(first: bytes, flood: bytes, at_most: int) -> None:
    """However many frames a chunk holds, after a part of them those behind it get their turn."""
    count = 262144 // len(flood)
    decoder = Decoder(Scratch(), LIMIT)
    decoder.feed(first + flood * count)
    passes = [decoder.decode()]
    while isinstance(decoder.stop, Pause):
        passes.append(decoder.decode())

    assert decoder.stop is None
    assert len(passes) >= count / at_most
    assert max(map(len, passes)) <= at_most
    assert (0 if first else count) == sum(map(len, passes))


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_empty_fragments_take_no_memory(opcode: int) -> None:
    """Fragments are counted, not kept."""
    decoder = Decoder(Scratch(), LIMIT)
    decoder.feed(frame(opcode, fin=False))
    assert [] == drain(decoder)
    fragments = frame(CONT, fin=False) * 10_000
    tracemalloc.start()
    try:
        for turn in range(4):  # a million would tell the same, and take seconds
            decoder.feed(fragments)
            assert [] == drain(decoder)
            if not turn:
                before, _ = tracemalloc.get_traced_memory()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after - before < 1000, "for 30 000 of them"


def test_a_connection_between_messages_is_idle() -> None:
    """A decoder is idle where nothing of a message, a header or a control frame is kept."""
    idle = []
    decoder = Decoder(Scratch(), LIMIT)
    for byte in frame(TEXT, "ab") + frame(TEXT, fin=False) + frame(PING, "c") + frame(CONT, "d"):
        decoder.feed(bytes([byte]))
        drain(decoder)
        idle.append(decoder.idle)
    decoder.feed(frame(PING))
    decoder.decode()
    assert decoder.idle, "a control frame stands behind which there is nothing"
    decoder.feed(frame(PING) + b"\x81")
    decoder.decode()

    assert [False] * 3 + [True] + [False] * 7 + [True] == idle
    assert not decoder.idle, "a control frame stands before undecoded bytes"


# What is refused


def raw(first: int, second: int, rest: bytes = b"") -> bytes:
    """Return a frame as no server should write it."""
    return bytes((first, second)) + rest


START = frame(TEXT, "a", fin=False)
"""The first frame of a fragmented message."""

BREACHES = [
    ("RSV1", raw(0xC1, 1, b"x"), 1002, "reserved bits set"),
    ("RSV2", raw(0xA2, 1, b"x"), 1002, "reserved bits set"),
    ("RSV3", raw(0x99, 1, b"x"), 1002, "reserved bits set"),
    ("RSV in a continuation", START + raw(0xC0, 1, b"x"), 1002, "reserved bits set"),
    *(
        (f"opcode {code:#x}", raw(0x80 | code, 0), 1002, f"reserved opcode {code:#x}")
        for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    ),
    ("reserved opcode in a message", START + raw(0x83, 0), 1002, "reserved opcode 0x3"),
    ("masked text", raw(0x81, 0x81, b"\0\0\0\0x"), 1002, "masked frame from a server"),
    ("masked binary, empty", raw(0x82, 0x80, b"\0\0\0\0"), 1002, "masked frame from a server"),
    ("masked ping", raw(0x89, 0x80, b"\0\0\0\0"), 1002, "masked frame from a server"),
    ("masked, long", raw(0x82, 0xFE, b"\x01\x00\0\0\0\0" + b"x" * 256), 1002, "masked frame from a server"),
    ("masked, huge", raw(0x82, 0xFF, b"\0\0\0\0\0\x01\0\0\0\0\0\0"), 1002, "masked frame from a server"),
    ("ping in fragments", raw(0x09, 0), 1002, "fragmented control frame"),
    ("pong in fragments", raw(0x0A, 0), 1002, "fragmented control frame"),
    ("Close in fragments", raw(0x08, 0), 1002, "fragmented control frame"),
    ("ping of 126 bytes", raw(0x89, 126, b"\0\x7e" + b"x" * 126), 1002, "control frame over 125 bytes"),
    ("ping of 65536 bytes", raw(0x89, 127, b"\0\0\0\0\0\1\0\0"), 1002, "control frame over 125 bytes"),
    ("ping of 5 bytes, long form", raw(0x89, 126, b"\0\5xxxxx"), 1002, "control frame over 125 bytes"),
    ("text inside text", START + frame(TEXT, "b"), 1002, "new message inside a fragmented one"),
    ("binary inside text", START + frame(BINARY, "b"), 1002, "new message inside a fragmented one"),
    (
        "text inside binary",
        frame(BINARY, fin=False) + frame(TEXT),
        1002,
        "new message inside a fragmented one",
    ),
    ("fragments inside text", START + START, 1002, "new message inside a fragmented one"),
    ("continuation of nothing", frame(CONT, "b"), 1002, "continuation of no message"),
    ("continuation of nothing, to go on", frame(CONT, "b", fin=False), 1002, "continuation of no message"),
    ("continuation of what ended", START + frame(CONT) + frame(CONT), 1002, "continuation of no message"),
    ("0 in 16 bits", raw(0x81, 126, b"\0\0"), 1002, "length not in its shortest form"),
    ("125 in 16 bits", raw(0x82, 126, b"\0\x7d" + b"x" * 125), 1002, "length not in its shortest form"),
    (
        "5 in 16 bits, continued",
        START + raw(0x80, 126, b"\0\5xxxxx"),
        1002,
        "length not in its shortest form",
    ),
    ("0 in 63 bits", raw(0x82, 127, bytes(8)), 1002, "length not in its shortest form, or over 63 bits"),
    (
        "65535 in 63 bits",
        raw(0x81, 127, (65535).to_bytes(8, "big")),
        1002,
        "length not in its shortest form, or over 63 bits",
    ),
    ("64 bits", raw(0x82, 127, b"\x80" + bytes(7)), 1002, "length not in its shortest form, or over 63 bits"),
    ("all 64 bits", raw(0x81, 127, b"\xff" * 8), 1002, "length not in its shortest form, or over 63 bits"),
    ("63 bits", raw(0x82, 127, b"\x7f" + b"\xff" * 7), 1009, "message over 1048576 bytes"),
    ("text that is Latin-1", frame(TEXT, b"caf\xe9"), 1007, "text that is not UTF-8"),
    ("text that ends within a character", frame(TEXT, b"\xf0\x9f\x98"), 1007, "text that is not UTF-8"),
    ("long text that is binary", frame(TEXT, b"x" * 200 + b"\xff"), 1007, "text that is not UTF-8"),
    ("fragments that are no text", START + frame(CONT, b"\xff"), 1007, "text that is not UTF-8"),
    ("fragments that end early", START + frame(CONT, b"\xc3"), 1007, "text that is not UTF-8"),
    (
        "fragments that end empty",
        START + frame(CONT, b"\xc3", fin=False) + frame(CONT),
        1007,
        "text that is not UTF-8",
    ),
    (
        "a broken character around a ping",
        frame(TEXT, b"\xc3", fin=False) + frame(PONG) + frame(CONT, b"("),
        1007,
        "text that is not UTF-8",
    ),
]


@pytest.mark.parametrize(
    ("wire", "code", "reason"), [row[1:] for row in BREACHES], ids=[row[0] for row in BREACHES]
)
def test_breaches_are_refused(wire: bytes, code: int, reason: str) -> None:
    """A breach is refused with its code, after all that came before it, and nothing after it is told."""
    before = frame(BINARY, "1") + frame(PING, "2") + frame(TEXT, "3")
    told: list[Told] = [b"1", Control(PING, b"2"), "3"]
    if frame(PONG) in wire:
        told.append(Control(PONG, b""))
    if wire.startswith(START + frame(CONT)):
        told.append("a")
    data = before + wire + frame(TEXT, "never told") + bytes(200)
    ways = [(), (1,) * len(data), *((cut,) for cut in range(1, len(before + wire)))]

    for cuts in ways:
        assert [*told, Verdict(code, reason)] == receive(data, cuts), cuts


def test_nothing_is_told_after_a_verdict() -> None:
    """The verdict stands, however much is fed and decoded after it."""
    decoder = Decoder(Scratch(), LIMIT)
    decoder.feed(frame(TEXT, "a") + raw(0x83, 0) + frame(TEXT, "b"))
    assert ["a"] == decoder.decode()
    verdict = decoder.stop
    decoder.feed(frame(TEXT, "c"))

    assert ([], verdict) == (decoder.decode(), decoder.stop)
    assert isinstance(verdict, Violation)


@pytest.mark.parametrize("wire", [b"\xc1\x7f", b"\x83\x7e", b"\x81\xff", b"\x09\x7f", b"\x00\x7f"])
def test_two_bytes_are_enough(wire: bytes) -> None:
    """What the first two bytes are guilty of is refused before the length is there."""
    (verdict,) = receive(wire, (1, 1))

    assert isinstance(verdict, Verdict)
    assert 1002 == verdict.code


@pytest.mark.parametrize("limit", [0, 1, 50, 124, 125, 126, 127, 1000, 32768, 65535, 65536, 100_000])
def test_the_limit_of_a_message(limit: int) -> None:
    """A message of exactly the limit is told; one byte more is 1009, by the header alone."""
    over = Verdict(1009, f"message over {limit} bytes")
    full = b"x" * limit
    half = limit // 2
    more = limit + 1

    def announced(opcode: int, size: int) -> bytes:
        wire = frame(opcode, b"x" * size)
        return wire[: len(wire) - size]

    for cuts in ((), (1,) * 20, (3, 40000)):
        assert [full.decode(), full] == receive(frame(TEXT, full) + frame(BINARY, full), cuts, limit=limit)
        assert ["", over] == receive(frame(TEXT) + announced(TEXT, more), cuts, limit=limit)
        assert [b"", over] == receive(frame(BINARY) + announced(BINARY, more), cuts, limit=limit)
        assert ["", over] == receive(frame(TEXT) + frame(TEXT, b"x" * more), cuts, limit=limit)
        assert [b"", over] == receive(frame(BINARY) + frame(BINARY, b"x" * more), cuts, limit=limit)
        for opcode, whole in ((TEXT, full.decode()), (BINARY, full)):
            first = frame(opcode, full[:half], fin=False) + frame(PING)
            pinged = Control(PING, b"")
            fits = first + frame(CONT, full[half:]) + frame(opcode)

            assert [pinged, whole, whole[:0]] == receive(fits, cuts, limit=limit)
            assert [pinged, over] == receive(first + announced(CONT, more - half), cuts, limit=limit)
            assert [pinged, over] == receive(
                first + frame(CONT, full[half:], fin=False) + announced(CONT, 1), cuts, limit=limit
            )


def test_the_limit_counts_bytes() -> None:
    """A text's limit is that of its UTF-8, not of its characters."""
    assert ["😀"] == receive(frame(TEXT, "😀"), limit=4)
    assert [Verdict(1009, "message over 3 bytes")] == receive(frame(TEXT, "😀"), limit=3)


def test_the_limit_does_not_count_control_frames() -> None:
    """Control frames have their own limit, which the RFC sets."""
    assert [Control(PING, b"p" * 125)] == receive(frame(PING, b"p" * 125), limit=0)


def test_a_breach_counts_before_the_limit() -> None:
    """A length that is malformed is 1002 though it is over the limit too."""
    told = receive(raw(0x82, 127, b"\xff" * 8), limit=10)

    assert [Verdict(1002, "length not in its shortest form, or over 63 bits")] == told


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_the_limit_of_fragments(monkeypatch: pytest.MonkeyPatch, opcode: int) -> None:
    """A message may have `MAX_FRAGMENTS` frames; one more is 1009. Each message is counted afresh."""
    monkeypatch.setattr("trio_ohws._wire.decoder.MAX_FRAGMENTS", 4)
    start, goes_on, end = frame(opcode, "a", fin=False), frame(CONT, fin=False) + frame(PONG), frame(CONT)
    message = "a" if opcode == TEXT else b"a"
    pong = Control(PONG, b"")

    over = Verdict(1009, "message of over 4 fragments")

    assert [pong, pong, message] * 3 == receive((start + goes_on * 2 + end) * 3)
    assert [pong, pong, pong, over] == receive(start + goes_on * 3 + end)


def test_a_million_fragments_are_allowed() -> None:
    """The limit of fragments is above any that an honest server needs."""
    assert MAX_FRAGMENTS >= 1_000_000


# Text

# RFC 3629 section 4: what may follow a first byte, in the second place, and how many follow in all.
SECOND_BYTES = {
    **{first: (range(0x80, 0xC0), 1) for first in range(0xC2, 0xE0)},
    0xE0: (range(0xA0, 0xC0), 2),
    **{first: (range(0x80, 0xC0), 2) for first in (*range(0xE1, 0xED), 0xEE, 0xEF)},
    0xED: (range(0x80, 0xA0), 2),
    0xF0: (range(0x90, 0xC0), 3),
    **{first: (range(0x80, 0xC0), 3) for first in (0xF1, 0xF2, 0xF3)},
    0xF4: (range(0x80, 0x90), 3),
}


def announced_text(size: int) -> Decoder:
    """Return a decoder that has seen the header of a text of `size` bytes, and "é"."""
    decoder = Decoder(Scratch(256), LIMIT)
    decoder.feed(raw(0x81, size, "é".encode()))
    assert [] == drain(decoder)
    return decoder


def fails_at(data: bytes) -> int | None:
    """Return at which byte an arriving text is refused, if it is."""
    decoder = announced_text(100)
    for place, byte in enumerate(data):
        decoder.feed(bytes([byte]))
        if told := drain(decoder):
            assert [Verdict(1007, "text that is not UTF-8")] == told
            return place
    return None


def test_the_first_byte_of_a_character() -> None:
    """Each byte that begins no character is refused when it arrives: 80 to C1, and from F5."""
    for first in range(256):
        assert (None if first < 0x80 or first in SECOND_BYTES else 0) == fails_at(bytes([first])), hex(first)


def test_the_second_byte_of_a_character() -> None:
    """Overlong forms, surrogates and what is above U+10FFFF are refused at the second byte."""
    for first, (allowed, _) in SECOND_BYTES.items():
        for second in range(256):
            expected = None if second in allowed else 1

            assert expected == fails_at(bytes([first, second])), (hex(first), hex(second))


@pytest.mark.parametrize("first", SECOND_BYTES, ids=hex)
def test_the_later_bytes_of_a_character(first: int) -> None:
    """A character that breaks off is refused at the byte that should have gone on."""
    seconds, more = SECOND_BYTES[first]
    for second in (seconds[0], seconds[-1]):
        for place in range(2, more + 1):
            begun = bytes([first, second]) + b"\x80" * (place - 2)
            for byte in (0x00, 0x41, 0x7F, 0x80, 0xBF, 0xC0, 0xC3, 0xFF):
                expected = None if 0x80 <= byte < 0xC0 else place

                assert expected == fails_at(begun + bytes([byte])), begun


@pytest.mark.parametrize("size", [100, 70000])
def test_text_fails_inside_its_frame(size: int) -> None:
    """Bad UTF-8 is found in the read that brings it, far from the end of frame and message."""
    wire = frame(TEXT, b"a" * size, fin=False)
    start = len(wire) - size
    link = Link(wire[: start + 10] + b"\xed\xa0", Scratch())
    link.read(start + 11)
    assert [] == link.told
    link.read(1)

    assert [Verdict(1007, "text that is not UTF-8")] == link.told


@hypothesis.given(st.text(min_size=1, max_size=20), st.data())
def test_characters_may_be_split_anywhere(text: str, data: st.DataObject) -> None:
    """A character may be spread over fragments, with pings between, and over reads."""
    wire, opcode = b"", TEXT
    for byte in text.encode():
        wire += frame(opcode, bytes([byte]), fin=False) + frame(PING) * data.draw(st.integers(0, 1))
        opcode = CONT
    told = receive(wire + frame(CONT), data.draw(READS))

    assert [text] == [event for event in told if not isinstance(event, Control)]


@hypothesis.given(st.binary(max_size=40), st.booleans(), READS)
def test_any_bytes_as_text(payload: bytes, fragmented: bool, reads: list[int]) -> None:
    """Any bytes at all are the text that Python's strict decoder makes of them, or 1007."""
    wire = frame(TEXT, payload)
    if fragmented:
        wire = frame(TEXT, payload[:5], fin=False) + frame(CONT, payload[5:])
    told: list[Told]
    try:
        told = [payload.decode()]
    except UnicodeDecodeError:
        told = [Verdict(1007, "text that is not UTF-8")]

    assert told == receive(wire, reads)
