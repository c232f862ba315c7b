"""permessage-deflate (RFC 7692): what we ask for, and the state of a connection that has it.

Negotiation, windows and compressing are websockets' extension's. It inflates whole frames, and keeps to
itself what it made of one that is too big. So inflating is ours, by the extension's own inflater: in pieces,
cut anywhere, each small enough that what one call can inflate to stays small.
"""

import zlib
from dataclasses import dataclass
from typing import Final

from websockets.exceptions import InvalidHandshake
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.headers import build_extension, parse_extension

from trio_ohws._wire.frames import Violation

__all__ = ["MIN_SIZE", "OFFER", "PIECE", "CompressionStatistics", "Deflate", "negotiate"]

# What websockets' own client does: window bits as the server likes, and less memory for the compressor than
# by zlib's default, 144 KiB instead of 256, at the same speed and ratio.
_FACTORY: Final = ClientPerMessageDeflateFactory(compress_settings={"memLevel": 5})

OFFER: Final = build_extension([(_FACTORY.name, list(_FACTORY.get_request_params()))])

# Messages of fewer bytes are sent as they are. Without a window of earlier messages, 48 bytes of JSON stay
# 48, and 64 become 62; and compressing them costs 10 µs, where sending costs 1.
MIN_SIZE: Final = 64

# Compressed bytes that are inflated at a time: 4 MiB at most come of them, deflate's best being 1032 : 1, and
# as a rule a whole message of 16 KiB, which is then decoded once instead of piece by piece.
PIECE: Final = 4096

# What a sender cuts from the end of each message (section 7.2.1).
_END: Final = b"\x00\x00\xff\xff"


@dataclass(frozen=True, slots=True)
class CompressionStatistics:
    """What permessage-deflate did; messages that were not compressed do not count.

    Attributes:
        sent: bytes of the messages that we sent compressed.
        sent_compressed: bytes that these were compressed to.
        received: bytes that compressed messages of the peer were inflated to.
        received_compressed: bytes that these had been compressed to.
    """

    sent: int
    sent_compressed: int
    received: int
    received_compressed: int

    @property
    def sent_ratio(self) -> float | None:
        """Compressed size by size of what we sent, 0.25 for a quarter; None if that is nothing."""
        return self.sent_compressed / self.sent if self.sent else None

    @property
    def received_ratio(self) -> float | None:
        """Compressed size by size of what we received; None if that is nothing."""
        return self.received_compressed / self.received if self.received else None


def negotiate(answer: str) -> "Deflate":
    """Return what the server agreed to.

    Args:
        answer: its Sec-WebSocket-Extensions.

    Raises:
        ValueError: it is malformed, or agrees to something else than `OFFER`.
    """
    try:
        extensions = parse_extension(answer)
        if [_FACTORY.name] != [name for name, _ in extensions]:
            raise ValueError(f"not permessage-deflate alone: {answer}")
        return Deflate(_FACTORY.process_response_params(extensions[0][1], []))
    except InvalidHandshake as error:
        raise ValueError(str(error)) from error


class Deflate:
    """Both directions of one connection.

    What was compressed must be sent, and before anything that is compressed later: the peer inflates by a
    window of all that came before.

    Args:
        extension: as negotiated.
    """

    __slots__ = (
        "_extension",
        "_inside",
        "_received",
        "_received_compressed",
        "_renewed",
        "_sent",
        "_sent_compressed",
    )

    def __init__(self, extension: PerMessageDeflate) -> None:
        self._extension = extension
        self._inside = False  # a message was begun to be inflated
        self._renewed = False  # the inflater is new, behind a final block, and was given nothing yet
        self._sent = self._sent_compressed = 0
        self._received = self._received_compressed = 0

    def statistics(self) -> CompressionStatistics:
        """Return what was done until now."""
        return CompressionStatistics(
            self._sent, self._sent_compressed, self._received, self._received_compressed
        )

    def compress(self, payload: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
        """Return the payload of the frame that carries a message."""
        # The extension asks of the opcode no more than that it begins a message.
        data = self._extension.encode(Frame(Opcode.BINARY, payload)).data
        self._sent += len(payload)
        self._sent_compressed += len(data)
        return data

    def inflate(self, piece: bytes, room: int, *, last: bool) -> bytes:
        """Return what the next piece of a message inflates to, or one byte more of it than there is room for.

        Then it is too big, but the caller may find in what fits a fault that comes before that.

        Args:
            piece: at most `PIECE` bytes, cut wherever you like.
            room: bytes that it may inflate to.
            last: it is the end of the message.

        Raises:
            Violation: 1007, it is no deflate data.
        """
        extension = self._extension
        if not self._inside and extension.remote_no_context_takeover:
            self._renew()
        self._inside = not last
        self._received_compressed += len(piece)
        data, inflated = piece, b""
        # The end of a message is the rest of an empty block. Right behind a final one there is none.
        if last and (piece or not self._renewed):
            data += _END
        while data and len(inflated) <= room:
            self._renewed = False
            try:
                inflated += extension.decoder.decompress(data, room + 1 - len(inflated))
            except zlib.error:
                # The frame keeps the rules, its contents are not what it says: Node's ws and wsproto call
                # that 1007, too. RFC 7692 names no code.
                raise Violation(1007, "compressed data that cannot be inflated") from None
            if not extension.decoder.eof:
                break
            # A block marked as the final one (section 7.2.3.4) ends the stream that zlib sees, but not the
            # message. Left alone, the inflater would silently make nothing of all that follows.
            data = extension.decoder.unused_data
            self._renew()
            if last and len(data) <= len(_END):
                break
        if last and extension.remote_no_context_takeover:
            del extension.decoder  # an idle connection needs none
        self._received += len(inflated)
        return inflated

    def _renew(self) -> None:
        self._extension.decoder = zlib.decompressobj(wbits=-self._extension.remote_max_window_bits)
        self._renewed = True
