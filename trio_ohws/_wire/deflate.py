"""permessage-deflate (RFC 7692): what we ask for, and the state of a connection that has it.

Negotiation, windows and zlib are websockets' extension; this makes it fit a decoder that inflates a message
while it is still arriving, and counts. The extension works on frames. It is given pieces: cut anywhere,
each small enough that what one call can inflate to stays small.
"""

import zlib
from dataclasses import dataclass
from typing import Final

from websockets.exceptions import InvalidHandshake, PayloadTooBig, ProtocolError
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

# Compressed bytes that are inflated at a time: 2 MiB at most come of them, deflate's best being 1032 : 1.
PIECE: Final = 2048

_TOO_BIG: Final = "message over the limit when inflated"


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
        "_ended",
        "_extension",
        "_inside",
        "_received",
        "_received_compressed",
        "_sent",
        "_sent_compressed",
    )

    def __init__(self, extension: PerMessageDeflate) -> None:
        self._extension = extension
        self._inside = False  # a message was begun to be inflated
        self._ended = False  # nothing was inflated since the end of a final block
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
        """Return what the next piece of a message inflates to.

        Args:
            piece: at most `PIECE` bytes, cut wherever you like.
            room: bytes that it may inflate to.
            last: it is the end of the message.

        Raises:
            Violation: 1009, there is no room for what comes of it; 1007, it is no deflate data.
        """
        extension = self._extension
        if last and not piece and self._ended:
            # The end of a message is the rest of an empty block, and here is none that it could end.
            self._inside = False
            return b""
        if last and piece and extension.remote_no_context_takeover:
            # With the end the extension drops its inflater, at which we must look before.
            inflated = self.inflate(piece, room, last=False)
            return inflated + self.inflate(b"", room - len(inflated), last=True)
        self._ended = False
        inflated = self._step(piece, room, last=last)
        self._received_compressed += len(piece)
        if not (last and extension.remote_no_context_takeover):
            # A block marked as the final one (section 7.2.3.4) ends the stream that zlib sees, but not
            # the message. Left alone, the inflater would silently make nothing of all that follows.
            while extension.decoder.eof:
                rest = extension.decoder.unused_data
                extension.decoder = zlib.decompressobj(wbits=-extension.remote_max_window_bits)
                if last:
                    rest = rest[:-4]  # the extension has added the end of the message, and will again
                self._ended = not rest
                if rest:
                    inflated += self._step(rest, room - len(inflated), last=last)
        self._received += len(inflated)
        return inflated

    def _step(self, piece: bytes, room: int, *, last: bool) -> bytes:
        opcode = Opcode.CONT if self._inside else Opcode.BINARY
        frame = Frame(opcode, piece, fin=last, rsv1=not self._inside)
        try:
            # One more than there is room for, because 0 would mean that there is no limit.
            inflated = bytes(self._extension.decode(frame, max_size=room + 1).data)
        except PayloadTooBig:
            raise Violation(1009, _TOO_BIG) from None
        except ProtocolError:
            # The frame keeps the rules, its contents are not what it says: Node's ws and wsproto call
            # that 1007, too. RFC 7692 names no code.
            raise Violation(1007, "compressed data that cannot be inflated") from None
        if len(inflated) > room:
            raise Violation(1009, _TOO_BIG)
        self._inside = not last
        return inflated
