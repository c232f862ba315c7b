"""Frames as a client writes them, and the payload of Close (RFC 6455 sections 5.2 and 5.5.1)."""

import struct
from typing import Final

from trio_ohws._wire.masking import apply_mask, new_mask

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "COPY_LIMIT",
    "FIN",
    "PING",
    "PONG",
    "RSV1",
    "TEXT",
    "Violation",
    "close_payload",
    "encode",
    "encode_parts",
    "may_be_sent",
    "parse_close",
    "server_frame",
]

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
FIN: Final = 0x80
RSV1: Final = 0x40  # begins a compressed message (RFC 7692 section 6)
MASKED: Final = 0x80

# Above this many bytes a payload is not joined to its header: one more copy of it costs more than a
# second entry in the list of `sendmsg`.
COPY_LIMIT: Final = 65536

_MEDIUM = struct.Struct("!BBH").pack
_LARGE = struct.Struct("!BBQ").pack
# The two bytes that begin a short frame, ready made: building them costs as much as masking 32 bytes.
_SHORT: Final = {
    opcode: tuple(bytes((FIN | opcode, MASKED | size)) for size in range(126))
    for opcode in (CONTINUATION, TEXT, BINARY, RSV1 | TEXT, RSV1 | BINARY, CLOSE, PING, PONG)
}


class Violation(Exception):
    """The peer broke the protocol: `code` is what our Close frame tells it, `reason` says why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def encode(opcode: int, payload: bytes | bytearray | memoryview) -> bytes:
    """Return one whole, final, masked frame; `opcode` may have RSV1."""
    mask = new_mask()
    size = len(payload)
    header = _SHORT[opcode][size] if size < 126 else _long_header(opcode, size)
    return header + mask + apply_mask(payload, mask)


def encode_parts(opcode: int, payload: bytes | bytearray | memoryview) -> tuple[bytes, bytes]:
    """Return a frame over `COPY_LIMIT` in two parts, so that its payload is copied only by the masking."""
    mask = new_mask()
    return _long_header(opcode, len(payload)) + mask, apply_mask(payload, mask)


def _long_header(opcode: int, size: int) -> bytes:
    if size < 65536:
        return _MEDIUM(FIN | opcode, MASKED | 126, size)
    return _LARGE(FIN | opcode, MASKED | 127, size)


def server_frame(opcode: int, payload: bytes) -> bytes:
    """Return a control frame as a server writes it: unmasked. This is how trio-websocket is told of one."""
    return bytes((FIN | opcode, len(payload))) + payload


def may_be_sent(code: int) -> bool:
    """Tell whether a Close frame may carry `code` (RFC 6455 section 7.4, and the registry: 1012 to 1014)."""
    return (1000 <= code < 1015 and code not in (1004, 1005, 1006)) or 3000 <= code < 5000


def close_payload(code: int, reason: str = "") -> bytes:
    """Return the payload of a Close frame: empty for 1005, which means that there is no code.

    The reason is cut between characters where the frame has no room for all of it (123 bytes).
    """
    if code == 1005:
        return b""
    text = reason.encode()
    if len(text) > 123:
        text = text[:123].decode(errors="ignore").encode()
    return code.to_bytes(2, "big") + text


def parse_close(payload: bytes) -> tuple[int, str]:
    """Return the code and the reason of a Close frame's payload.

    Raises:
        Violation: 1002, one byte, or a code that may not be sent; 1007, the reason is not UTF-8.
    """
    if not payload:
        return 1005, ""
    if len(payload) == 1:
        raise Violation(1002, "Close frame with a payload of one byte")
    code = int.from_bytes(payload[:2], "big")
    if not may_be_sent(code):
        raise Violation(1002, f"Close frame with the code {code}")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise Violation(1007, "Close frame with a reason that is not UTF-8") from None
