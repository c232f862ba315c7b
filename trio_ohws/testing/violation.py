"""What a server must not send, by name."""

import enum

from trio_ohws.testing.frames import BINARY, CONT, PING, TEXT, close_frame, frame

__all__ = ["Violation"]


class Violation(enum.Enum):
    """A way in which a server can break the protocol; `data` does it, after the handshake.

    Attributes:
        data: the bytes.
        close_code: with what code the client has to close.

    Source: RFC 6455 sections 5 and 7.4.
    """

    MASKED_FRAME = b"\x81\x82\x01\x02\x03\x04" + bytes((ord("h") ^ 1, ord("i") ^ 2)), 1002
    RESERVED_BIT = frame(TEXT | 0x20, "hi"), 1002
    COMPRESSED_UNASKED = frame(TEXT, "hi", rsv1=True), 1002
    RESERVED_OPCODE = frame(3, "hi"), 1002
    BAD_UTF8 = frame(TEXT, b"\xc3\x28"), 1007
    LONG_CONTROL_FRAME = frame(PING, bytes(126)), 1002
    FRAGMENTED_CONTROL_FRAME = frame(PING, fin=False), 1002
    NON_MINIMAL_LENGTH = b"\x81\x7e\x00\x02hi", 1002
    HUGE_LENGTH = b"\x82\x7f" + b"\xff" * 8, 1002
    LONELY_CONTINUATION = frame(CONT, "hi"), 1002
    INTERRUPTED_MESSAGE = frame(TEXT, "h", fin=False) + frame(BINARY, b"i"), 1002
    BAD_CLOSE_CODE = close_frame(1005), 1002
    HALF_A_CLOSE_CODE = b"\x88\x01\x03", 1002
    BAD_CLOSE_REASON = b"\x88\x04\x03\xe8\xc3\x28", 1007

    def __init__(self, data: bytes, close_code: int) -> None:
        self.data: bytes = data
        self.close_code: int = close_code
