"""A server's codec, a few lines long.

It shares nothing with the one of the package, so that a mistake there is not mirrored here.
"""

import struct
from typing import Final, NamedTuple

__all__ = ["BINARY", "CLOSE", "CONT", "PING", "PONG", "TEXT", "Frame", "close_frame", "frame", "parse_frames"]

CONT: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10


class Frame(NamedTuple):
    """A frame as the client sent it, unmasked.

    Attributes:
        opcode: 0 for a continuation, 1 for text, 2 for binary, 8 for Close, 9 for ping, 10 for pong.
        payload: the bytes that it carried.
        fin: whether it ends its message.
        rsv1: whether its message is compressed.

    Source: RFC 6455 section 5.2.
    """

    opcode: int
    payload: bytes
    fin: bool = True
    rsv1: bool = False


def frame(opcode: int, payload: bytes | str = b"", *, fin: bool = True, rsv1: bool = False) -> bytes:
    """Return the bytes of a server's frame, which need not be a lawful one.

    Args:
        opcode: from 0 to 15; see `Frame`.
        payload: what it carries; text as UTF-8.
        fin: whether it ends its message.
        rsv1: whether it claims to be compressed.

    Source: RFC 6455 section 5.2.
    """
    data = payload.encode() if isinstance(payload, str) else payload
    size = len(data)
    first = (0x80 if fin else 0) | (0x40 if rsv1 else 0) | opcode
    if size < 126:
        return bytes((first, size)) + data
    if size < 65536:
        return struct.pack("!BBH", first, 126, size) + data
    return struct.pack("!BBQ", first, 127, size) + data


def close_frame(code: int | None = 1000, reason: str = "") -> bytes:
    """Return the bytes of a server's Close frame.

    Args:
        code: from 0 to 65535, also one that may not be sent; None for an empty frame.
        reason: the words that go with it.

    Source: RFC 6455 section 5.5.1.
    """
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason.encode())


def parse_frames(data: bytes) -> tuple[list[Frame], bytes]:
    """Return the client's whole frames, unmasked, and the rest. Every frame must be masked."""
    frames = []
    position = 0
    while len(data) >= position + 2:
        first, second = data[position], data[position + 1]
        size, start = second & 0x7F, position + 2
        if not second & 0x80:
            raise AssertionError("a client's frame must be masked")
        if size == 126:
            size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
        elif size == 127:
            size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        end = start + 4 + size
        if len(data) < end:
            break
        payload = _unmasked(data[start : start + 4], data[start + 4 : end])
        frames.append(Frame(first & 0x0F, payload, bool(first & 0x80), bool(first & 0x40)))
        position = end
    return frames, data[position:]


def _unmasked(mask: bytes, payload: bytes) -> bytes:
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
