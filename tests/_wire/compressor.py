"""How a server compresses messages (RFC 7692), by zlib alone."""

import zlib

TAIL = b"\x00\x00\xff\xff"


class Compressor:
    """The server's side, by zlib alone.

    Args:
        bits: of its window.
        takeover: keep the window from message to message.
        last: end messages by a block that is marked as final, as RFC 7692 section 7.2.3.4 allows.
    """

    def __init__(self, bits: int = 15, *, takeover: bool = True, last: bool = False) -> None:
        self.bits = bits
        self.keeps = takeover and not last
        self.last = last
        self.zlib = zlib.compressobj(wbits=-bits)

    def __call__(self, message: bytes) -> bytes:
        """Return a message's compressed payload."""
        data = self.zlib.compress(message)
        data += self.zlib.flush(zlib.Z_FINISH) + b"\x00" if self.last else self.zlib.flush(zlib.Z_SYNC_FLUSH)
        if not self.keeps:
            self.zlib = zlib.compressobj(wbits=-self.bits)
        return data.removesuffix(TAIL)
