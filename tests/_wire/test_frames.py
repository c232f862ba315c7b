"""Frames that a client writes, judged by foreign servers, and the payload of Close."""

import struct

import hypothesis
import pytest
import websockets.frames
import wsproto.connection
import wsproto.events
from hypothesis import strategies as st
from websockets.protocol import Protocol, Side

from tests.scripted_peer import Frame, parse_frames
from trio_ohws._wire.decoder import Control, Decoder
from trio_ohws._wire.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    COPY_LIMIT,
    PING,
    PONG,
    TEXT,
    Violation,
    close_payload,
    encode,
    encode_parts,
    may_be_sent,
    parse_close,
    server_frame,
)
from trio_ohws._wire.scratch import Scratch

EDGES = [0, 1, 2, 3, 4, 5, 124, 125, 126, 127, 65534, 65535, 65536, 65537, 70000]
PAYLOADS = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda size, seed: (seed * size)[:size], st.sampled_from(EDGES), st.binary(min_size=1, max_size=7)
    ),
)


def ask_websockets(wire: bytes) -> list[tuple[int, bytes, bool]]:
    """Return the frames that websockets' server reads: opcode, payload, whether it is final."""
    server = Protocol(Side.SERVER, max_size=None)
    server.receive_data(wire)
    assert server.parser_exc is None
    return [
        (event.opcode, bytes(event.data), event.fin)
        for event in server.events_received()
        if isinstance(event, websockets.frames.Frame)
    ]


# Frames


@hypothesis.given(st.lists(st.tuples(st.sampled_from([TEXT, BINARY]), PAYLOADS), max_size=4))
def test_websockets_reads_what_we_write(frames: list[tuple[int, bytes]]) -> None:
    """The server of websockets reads back every frame, whole and final, from one stream of them."""
    wire = b"".join(encode(opcode, payload) for opcode, payload in frames)

    assert [(opcode, payload, True) for opcode, payload in frames] == ask_websockets(wire)


@hypothesis.given(st.lists(PAYLOADS, max_size=3), st.text(max_size=200))
def test_wsproto_reads_what_we_write(payloads: list[bytes], text: str) -> None:
    """The server of wsproto reads the same text, bytes and pings."""
    server = wsproto.connection.Connection(wsproto.connection.SERVER)
    server.receive_data(encode(TEXT, text.encode()) + encode(PING, b"?"))
    server.receive_data(b"".join(encode(BINARY, payload) for payload in payloads))
    first, ping, *rest = server.events()

    assert wsproto.events.TextMessage(text, message_finished=True) == first
    assert wsproto.events.Ping(b"?") == ping
    assert payloads == [bytes(event.data) for event in rest if isinstance(event, wsproto.events.BytesMessage)]


@pytest.mark.parametrize("opcode", [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG])
@pytest.mark.parametrize("size", EDGES)
def test_lengths_take_their_shortest_form(opcode: int, size: int) -> None:
    """The header is the RFC's, in its shortest form, with the mask bit set, and a payload of equal length."""
    short = bytes((0x80 | opcode, 0x80 | size)) if size < 126 else b""
    medium = struct.pack("!BBH", 0x80 | opcode, 0xFE, size) if size < 65536 else b""
    header = short or medium or struct.pack("!BBQ", 0x80 | opcode, 0xFF, size)
    wire = encode(opcode, b"x" * size)

    assert header == wire[: len(header)]
    assert len(header) + 4 + size == len(wire)
    assert ([Frame(opcode, b"x" * size)], b"") == parse_frames(wire)


def test_the_masked_example_of_the_rfc(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the key of RFC 6455 section 5.7, "Hello" is its example byte for byte."""
    monkeypatch.setattr("trio_ohws._wire.frames.new_mask", lambda: b"\x37\xfa\x21\x3d")

    assert b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58" == encode(TEXT, b"Hello")


def test_each_frame_has_a_key_of_its_own() -> None:
    """Equal payloads are masked with different keys."""
    keys = {encode(BINARY, b"same")[2:6] for _ in range(100)} | {
        encode_parts(BINARY, bytes(COPY_LIMIT + 1))[0][-4:] for _ in range(4)
    }

    assert len(keys) >= 103, "one of them may repeat by chance: 1 in a million"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_payloads_of_every_kind(kind: type) -> None:
    """A payload may be any object of bytes, and is left as it was."""
    data = bytearray(b"some payload")
    payload = kind(data)
    assert [(BINARY, b"some payload", True)] == ask_websockets(encode(BINARY, payload))

    assert b"some payload" == data == bytes(payload)


@pytest.mark.parametrize("size", [COPY_LIMIT - 1, COPY_LIMIT, COPY_LIMIT + 1, 200_000])
def test_parts_join_to_the_same_frame(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """A frame in parts is that frame, with the header and the key in the first part alone."""
    monkeypatch.setattr("trio_ohws._wire.frames.new_mask", lambda: b"\x01\x02\x03\x04")
    header, payload = encode_parts(BINARY, b"p" * size)

    assert encode(BINARY, b"p" * size) == header + payload
    assert size == len(payload)


@pytest.mark.parametrize("payload", [b"", b"?", b"p" * 125])
def test_server_frames(payload: bytes) -> None:
    """A server's control frame is unmasked: our own decoder and wsproto's client take it."""
    decoder = Decoder(Scratch(), 0)
    decoder.feed(server_frame(PING, payload))
    assert [] == decoder.decode()
    client = wsproto.connection.Connection(wsproto.connection.CLIENT)
    client.receive_data(server_frame(PING, payload))

    assert Control(PING, payload) == decoder.stop
    assert [wsproto.events.Ping(payload)] == list(client.events())


def test_a_violation_tells_its_code_and_reason() -> None:
    """A violation carries what the Close frame says, and shows it when it is printed."""
    violation = Violation(1002, "reserved bits set")

    assert (1002, "reserved bits set") == (violation.code, violation.reason)
    assert "1002" in str(violation)


# Close

SENDABLE = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}
"""RFC 6455 section 7.4, and what IANA has registered since: 1012, 1013, 1014."""


def judge_close(payload: bytes) -> tuple[int, str]:
    """Return the code and reason of a Close frame, or those of its refusal."""
    try:
        return parse_close(payload)
    except Violation as violation:
        return violation.code, violation.reason


def test_close_codes() -> None:
    """Of all codes that fit two bytes, exactly those may be sent, and are taken from a peer."""
    for code in range(65536):
        sendable = code in SENDABLE
        judgement = (code, "") if sendable else (1002, f"Close frame with the code {code}")

        assert sendable is may_be_sent(code), code
        assert judgement == judge_close(code.to_bytes(2, "big"))


def test_websockets_agrees_on_close_codes() -> None:
    """The other client refuses the same codes."""

    def taken(code: int) -> bool:
        try:
            websockets.frames.Close(code, "").check()
        except websockets.exceptions.ProtocolError:
            return False
        return True

    assert [code for code in range(6000) if taken(code)] == [
        code for code in range(6000) if may_be_sent(code)
    ]


@pytest.mark.parametrize("code", [-1, 65536, 1 << 40])
def test_codes_that_fit_no_frame(code: int) -> None:
    """Numbers outside two bytes may not be sent either."""
    assert not may_be_sent(code)


@pytest.mark.parametrize(
    ("payload", "code", "reason"),
    [
        (b"", 1005, ""),
        (b"\x03\xe8", 1000, ""),
        (b"\x03\xe9going", 1001, "going"),
        (b"\x03\xf6teapot", 1014, "teapot"),
        (b"\x0f\xa0\xc3\xa7a", 4000, "ça"),
        (b"\x03\xe8" + b"r" * 123, 1000, "r" * 123),
        (b"\x03\xe8" + "\N{ZERO WIDTH NO-BREAK SPACE}".encode(), 1000, "\N{ZERO WIDTH NO-BREAK SPACE}"),
    ],
)
def test_close_frames_that_are_taken(payload: bytes, code: int, reason: str) -> None:
    """Code and reason are read as they were sent; no code is 1005."""
    assert (code, reason) == parse_close(payload)


@pytest.mark.parametrize(
    ("payload", "code", "words"),
    [
        (b"\x03", 1002, "payload of one byte"),
        (b"\x00\x00", 1002, "the code 0"),
        (b"\x03\xe7", 1002, "the code 999"),
        (b"\x03\xed", 1002, "the code 1005"),
        (b"\x03\xee", 1002, "the code 1006"),
        (b"\x03\xf7\xff", 1002, "the code 1015"),
        (b"\xff\xff", 1002, "the code 65535"),
        (b"\x03\xe8\xff", 1007, "reason that is not UTF-8"),
        (b"\x03\xe8ok\xe2\x82", 1007, "reason that is not UTF-8"),
        (b"\x03\xe8\xed\xa0\x80", 1007, "reason that is not UTF-8"),
        (b"\x03\xe8\xc0\x80", 1007, "reason that is not UTF-8"),
    ],
)
def test_close_frames_that_are_refused(payload: bytes, code: int, words: str) -> None:
    """One byte, a code that may not be sent and a reason that is no text are violations."""
    with pytest.raises(Violation, match=words) as caught:
        parse_close(payload)

    assert code == caught.value.code


@hypothesis.given(st.sampled_from(sorted(SENDABLE)), st.text(max_size=140))
def test_reasons_are_cut_between_characters(code: int, reason: str) -> None:
    """What fits is sent whole; what does not, up to the last character that fits."""
    payload = close_payload(code, reason)
    assert len(payload) <= 125
    read, cut = parse_close(payload)

    assert (code, reason[: len(cut)]) == (read, cut)
    assert cut == reason or len(reason[: len(cut) + 1].encode()) > 123


@pytest.mark.parametrize(
    ("reason", "size"),
    [
        ("a" * 123, 123),
        ("a" * 124, 123),
        ("é" * 62, 122),
        ("漢" * 42, 123),
        ("😀" * 31, 120),
        ("a" + "😀" * 31, 121),
    ],
    ids=["fits", "one over", "2 bytes each", "3 bytes each", "4 bytes each", "4 bytes each, shifted"],
)
def test_the_length_of_a_cut_reason(reason: str, size: int) -> None:
    """A reason fills the frame as far as its characters allow."""
    assert 2 + size == len(close_payload(1000, reason))


def test_no_code_is_an_empty_payload() -> None:
    """1005 says that there is no code, so none is sent, nor a reason."""
    assert b"" == close_payload(1005) == close_payload(1005, "why")
    assert b"\x03\xe8" == close_payload(1000)
