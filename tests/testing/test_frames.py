"""The kit's codec: the RFC's own examples, and the client's frames read back."""

import pytest
from hypothesis import given, strategies as st

from trio_ohws._wire.frames import encode
from trio_ohws.testing import Frame, close_frame, frame
from trio_ohws.testing.frames import parse_frames

EXAMPLES = {
    "text": (frame(1, "Hello"), "810548656c6c6f"),
    "fragments": (frame(1, "Hel", fin=False) + frame(0, "lo"), "010348656c80026c6f"),
    "ping": (frame(9, "Hello"), "890548656c6c6f"),
    "close": (close_frame(), "880203e8"),
    "close with a reason": (close_frame(4000, "é"), "88040fa0c3a9"),
    "empty close": (close_frame(None), "8800"),
    "compressed": (frame(1, bytes.fromhex("f248cdc9c90700"), rsv1=True), "c107f248cdc9c90700"),
    "256 bytes": (frame(2, bytes(256))[:5], "827e010000"),
    "64 KiB": (frame(2, bytes(65536))[:11], "827f000000000001000000"),
}
"""RFC 6455 section 5.7 and RFC 7692 section 7.2.3.1, without masks."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_frames_are_those_of_the_rfc(name: str) -> None:
    """What a server sends."""
    made, expected = EXAMPLES[name]

    assert bytes.fromhex(expected) == made


def test_a_masked_frame_is_that_of_the_rfc() -> None:
    """What a client sends; the rest is kept for the next time."""
    data = bytes.fromhex("818537fa213d7f9f4d5158")

    assert ([Frame(1, b"Hello")], data[:4]) == parse_frames(data + data[:4])


def test_an_unmasked_frame_is_a_failure() -> None:
    """A client must mask."""
    with pytest.raises(AssertionError, match="a client's frame must be masked"):
        parse_frames(frame(1, "Hello"))


@given(st.lists(st.sampled_from([0, 1, 125, 126, 65535, 65536, 70000]), max_size=4), st.integers(0, 200))
def test_what_the_client_encodes_is_read_back(sizes: list[int], cut: int) -> None:
    """However long, and wherever the bytes are cut."""
    payloads = [bytes(index % 251 for index in range(size)) for size in sizes]
    data = b"".join(encode(2, payload) for payload in payloads)
    first, rest = parse_frames(data[:cut])
    second, end = parse_frames(rest + data[cut:])

    assert [Frame(2, payload) for payload in payloads] == first + second
    assert b"" == end
