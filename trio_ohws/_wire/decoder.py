"""From the bytes of a server to messages and control frames (RFC 6455 sections 5 and 8.1).

The theory. Bytes are received into memory that the decoder chooses (`get_buffer`), so that a large frame
lands where it will be read from. After each read `decode` makes one pass: a flat loop cuts whole, final,
uncompressed frames out of the chunk, and whatever else begins there goes through the general, slower
steps below it. Between passes nothing of a payload is left lying: an unfinished one is taken in piece by
piece, inflated if need be, text by an incremental decoder, which is how bad UTF-8 is found while its frame
is still arriving. So the rest that is carried over is never more than a header or a control frame.

A pass ends early at a control frame: a pong has to leave before the echo of a later message. It ends at a
large message, which is to leave its memory to the next one; loops of their own make those. And it pauses
where it would keep others waiting: 256 KiB can hold a hundred thousand frames, or, compressed, a quarter of
a gigabyte, in messages that are each allowed.
"""

import codecs
import io
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from trio_ohws._wire.deflate import PIECE, Deflate
from trio_ohws._wire.frames import BINARY, CLOSE, FIN, PONG, RSV1, TEXT, Violation
from trio_ohws._wire.scratch import Scratch
from trio_ohws._wire.splitter import MANY, arriving_frames, large_frames, split

__all__ = ["MAX_FRAGMENTS", "Control", "Decoder", "Handover", "Message", "Pause"]

Message = str | bytes

# Fragments cost no memory here, however many there are; this bounds the time that one message may take.
MAX_FRAGMENTS: Final = 1 << 20
# Read straight into a large frame's own buffer while at least this much of it is missing.
_WORTH_A_READ: Final = 32768
# Payloads up to this are read straight into memory of their own. Of larger ones few are there whole, and
# those that are not take turns with them in memory that the C library gets anew from the kernel.
_STRAIGHT: Final = 196_608
# So much of them is read before those behind us get their turn; it takes some 0.4 ms.
_ENOUGH_STRAIGHT: Final = 1 << 21
# Bytes that are inflated before those behind us get their turn; it takes some 3 ms.
_ENOUGH: Final = 1 << 20

_NOT_UTF8: Final = "text that is not UTF-8"
_TOO_BIG: Final = "message over the limit when inflated"

_utf8 = codecs.getincrementaldecoder("utf-8")


class Control(NamedTuple):
    """A whole, valid control frame; the payload of a Close is not looked into."""

    opcode: int
    payload: bytes


class Pause:
    """Enough was decoded for once: hand the messages on, let others run, and decode again."""

    __slots__ = ()


class Handover:
    """A large message: hand it on before the next one is made, so that this finds its memory free, and warm.

    Memory for several at a time may be new to the process each time, which costs more than to fill it. The
    next ones come from `large_frames` and `arriving_frames`, if one likes, and then or else from `decode`.
    Whoever lets others run in between calls `keep` first.
    """

    __slots__ = ()


_HANDOVER: Final = Handover()


class Decoder:
    """Decodes one connection's frames.

    Args:
        scratch: where to receive; may be shared by all decoders of one thread, because whoever asks for
            `get_buffer` receives, calls `buffer_updated` and `decode` before another one does.
        max_message_size: bytes of payload that a message may have; one with more is a Violation, 1009.
    """

    __slots__ = (
        "_alike",
        "_blocks",
        "_data",
        "_filled",
        "_final",
        "_fragments",
        "_inflated",
        "_inflating",
        "_lent",
        "_max_message_size",
        "_missing",
        "_opcode",
        "_payload",
        "_scratch",
        "_size",
        "_source",
        "_tail",
        "_text",
        "_utf8",
        "_view",
        "deflate",
        "position",
        "stop",
        "straight",
    )

    def __init__(self, scratch: Scratch, max_message_size: int) -> None:
        self._scratch = scratch
        self._max_message_size = max_message_size
        self.deflate: Deflate | None = None  # what was negotiated, if it was
        # Why the last pass ended; None: more is wanted.
        self.stop: Control | Pause | Handover | Violation | None = None
        self._view = scratch.view  # where to receive
        self._source: bytes | memoryview = b""  # bytes that are not decoded yet ...
        self.position: int = 0  # ... from here on; not 0 only after a stop
        self._tail = b""  # the beginning of a header or control frame, kept from the last pass
        # The message in progress, if _opcode is not 0 ...
        self._opcode = 0
        self._size = 0
        self._fragments = 0
        self._inflating = False
        self._inflated = 0  # bytes (more or less: see _breathe), since the last pause
        self._blocks: list[bytearray] = []  # the message before _data, if that would grow large
        self._utf8: codecs.IncrementalDecoder | None = None
        self._text: io.StringIO | None = None
        self._data: bytearray | None = None
        # ... and the frame of it that is arriving, if _missing is not 0.
        self._missing = 0
        self._final = False
        # Its own, if it is large, and all of a binary message. This is bytes that can be written to, and then
        # are the message: `getvalue` copies nothing, unless somebody still has a view of it.
        self._payload: io.BytesIO | None = None
        self._filled = 0
        self._lent: memoryview | None = None
        # After a Handover: whether more such messages could be read straight, and whether any was.
        self._alike = False
        self.straight: bool = False

    @property
    def idle(self) -> bool:
        """Whether nothing of a frame or message is kept: the connection is between two messages."""
        return not (self._opcode or self._tail or len(self._source) > self.position)

    def get_buffer(self) -> memoryview:
        """Return the memory for the next bytes. Ask again after anything else may have run."""
        if self._payload is not None and self._missing >= _WORTH_A_READ:
            self._lent = self._payload.getbuffer()[self._filled :]
            return self._lent
        tail = self._tail
        if not tail:
            return self._view
        self._view[: len(tail)] = tail
        return self._view[len(tail) :]

    def buffer_updated(self, count: int) -> bool:
        """Say that `count` bytes were received into the buffer, which is not to be used any more.

        Returns:
            Whether another buffer may be asked for, since these belong to a large frame; else `decode` must
            follow at once.
        """
        if self._lent is not None:
            self._lent.release()
            self._lent = None
            self._filled += count
            self._missing -= count
            self._size += count
            return True
        self._source = self._view[: len(self._tail) + count]
        self._view = self._scratch.view
        self._tail = b""
        return False

    def feed(self, data: bytes | bytearray) -> None:
        """Take in bytes that were received elsewhere, together with a handshake for example."""
        self._source = self._tail + self.take() + data
        self._tail = b""

    def take(self) -> bytes:
        """Take out what is not decoded yet."""
        data = bytes(self._source[self.position :])
        self._source, self.position = b"", 0
        return data

    def keep(self) -> None:
        """Move what is not decoded yet out of the shared memory: others may receive before `decode`."""
        if type(self._source) is memoryview:
            self._source = self.take()
        self._view = self._scratch.view

    def decode(self) -> list[Message]:
        """Return the messages that are complete, up to what `stop` says: a control frame, for example."""
        messages: list[Message] = []
        source, pos = self._source, self.position
        steps = 0
        try:
            if isinstance(self.stop, Violation):
                return messages
            self.stop = None
            self.position = 0
            if self._payload is not None and not self._missing:
                self._finish(messages)  # the last read was the rest of a large frame
                if not source:
                    return self._hand_over(messages)
            while True:
                # Large frames are copied straight out of the area. For small ones a copy of the area as
                # `bytes` pays: slicing that and decoding the slices is a third faster.
                if self._large_next(source, pos):
                    self._source, self.position = source, pos
                    if (message := next(self.large_frames(), None)) is not None:
                        messages.append(message)
                        if type(source) is memoryview and not self.straight:
                            self._view = self._scratch.wide
                    pos, self.position = self.position, 0
                    if messages and pos < len(source):
                        self._source, self.position = source, pos
                        return self._hand_over(messages)
                elif type(source) is memoryview:
                    source, pos = bytes(source[pos:] if pos else source), 0
                if not self._opcode and type(source) is bytes:
                    pos = split(source, pos, self._max_message_size, messages)
                if pos == len(source):
                    self._source = b""
                    return messages
                if len(messages) >= MANY or steps == MANY:
                    self.stop = Pause()
                    break
                steps += 1
                if (after := self._step(source, pos, messages)) < 0:
                    self._source, self._tail = b"", bytes(source[pos:])
                    return messages
                pos = after
                if self.stop is not None:
                    break
        except Violation as violation:
            self.stop = violation
        except UnicodeDecodeError:
            self.stop = Violation(1007, "text that is not UTF-8")
        # What is behind a control frame stays where it is: copied each time, a flood of pongs is quadratic.
        if type(source) is memoryview:
            source, pos = bytes(source[pos:]), 0
        self._source, self.position = source, pos
        return messages

    def abandon(self) -> None:
        """Forget what is not decoded, or no whole message yet: the connection has ended."""
        self._source, self._tail, self.position = b"", b"", 0
        self._blocks.clear()
        if self._lent is not None:
            self._lent.release()  # the frames of the error that ended it may have it
        self._data = self._payload = self._lent = self._text = self._utf8 = self.deflate = None

    def large_frames(self) -> Iterator[Message]:
        """After a `Handover`, cut out the whole, unfragmented frames over 64 KiB, each when it is asked for.

        It raises nothing, and ends at the first that is anything else, bad UTF-8 for example: what that is,
        `decode` will say.
        """
        if self._opcode:
            return iter(())  # they would be inside another message
        return large_frames(self._source, self._max_message_size, self)

    def arriving_frames(self, read: Callable[[int], bytes]) -> Iterator[Message]:
        """After `large_frames`, read those that have not arrived yet when it ended, 2 MiB of them at most.

        For messages of 64 to 192 KiB. The rest is as there.

        Args:
            read: returns so many bytes, or fewer if no more are there; nothing else may run in between.
        """
        source, pos = self._source, self.position
        if self._opcode or not self._alike or (len(source) > pos + 1 and source[pos + 1] != 127):
            return iter(())
        return arriving_frames(read, _ENOUGH_STRAIGHT, min(self._max_message_size, _STRAIGHT), self)

    def _hand_over(self, messages: list[Message]) -> list[Message]:
        self.stop = _HANDOVER
        self._alike = len(messages[-1]) <= _STRAIGHT
        self.straight = False
        return messages

    def _large_next(self, source: bytes | memoryview, pos: int) -> bool:
        return self._missing > 0 or (len(source) > pos + 1 and source[pos + 1] == 127)

    def _step(self, source: bytes | memoryview, pos: int, messages: list[Message]) -> int:
        """Take in a frame, or what is there of it; return the next position, or -1 for want of bytes."""
        if not self._missing:
            pos = self._begin(source, pos, messages)
        if self._missing:
            pos = self._take(source, pos)
        if self._opcode and self._final and not self._missing:
            self._finish(messages)
        return pos

    def _begin(self, source: bytes | memoryview, pos: int, messages: list[Message]) -> int:
        """Judge the header at `pos`; return where its payload begins, or -1 if it is not all there.

        A control frame, and a compressed one that is all there, are consumed whole.
        """
        available = len(source) - pos
        if available < 2:
            return -1
        first, length = source[pos], source[pos + 1]
        opcode = first & 0x0F
        self._judge(first, length)
        start = pos + 2
        if length == 126:
            if available < 4:
                return -1
            start = pos + 4
            length = int.from_bytes(source[pos + 2 : start], "big")
            if length < 126:
                raise Violation(1002, "length not in its shortest form")
        elif length == 127:
            if available < 10:
                return -1
            start = pos + 10
            length = int.from_bytes(source[pos + 2 : start], "big")
            if length < 65536 or length >> 63:
                raise Violation(1002, "length not in its shortest form, or over 63 bits")
        end = start + length
        if opcode >= CLOSE:
            if end > len(source):
                return -1
            self.stop = Control(opcode, bytes(source[start:end]))
            return end
        if first & RSV1 and first & FIN and length <= PIECE and end <= len(source):
            messages.append(self._inflate_whole(opcode, bytes(source[start:end])))
            return end
        self._begin_data(first, length)
        if opcode == BINARY and self._final and not self._inflating and length >= _WORTH_A_READ:
            self._payload = io.BytesIO(bytes(length))
            self._filled = 0
        self._missing = length
        return start

    def _judge(self, first: int, length: int) -> None:
        """Raise what the first two bytes of a frame are guilty of (RFC 6455 sections 5.1, 5.2, 5.4, 5.5)."""
        opcode = first & 0x0F
        if first & 0x70 and (first & 0x70 != RSV1 or self.deflate is None or opcode not in (TEXT, BINARY)):
            raise Violation(1002, "reserved bits set")
        if length & 0x80:
            raise Violation(1002, "masked frame from a server")
        if opcode >= CLOSE:
            if opcode > PONG:
                raise Violation(1002, f"reserved opcode {opcode:#x}")
            if not first & FIN:
                raise Violation(1002, "fragmented control frame")
            if length > 125:
                raise Violation(1002, "control frame over 125 bytes")
        elif opcode > BINARY:
            raise Violation(1002, f"reserved opcode {opcode:#x}")
        elif opcode and self._opcode:
            raise Violation(1002, "new message inside a fragmented one")
        elif not opcode and not self._opcode:
            raise Violation(1002, "continuation of no message")

    def _begin_data(self, first: int, length: int) -> None:
        """Set up for a data frame's payload, which may not fit the message's limits."""
        opcode = first & 0x0F
        if opcode:
            self._size = self._fragments = 0
            self._inflating = bool(first & RSV1)
        # A compressed payload takes no memory, and says nothing about the size that counts.
        if not self._inflating and self._size + length > self._max_message_size:
            raise Violation(1009, f"message over {self._max_message_size} bytes")
        self._fragments += 1
        if self._fragments > MAX_FRAGMENTS:
            raise Violation(1009, f"message of over {MAX_FRAGMENTS} fragments")
        self._final = bool(first & FIN)
        if opcode:
            self._opcode = opcode
            if opcode == TEXT:
                self._utf8 = _utf8()
            if opcode == BINARY or self._inflating:
                self._data = bytearray()
            else:
                self._text = io.StringIO()

    def _take(self, source: bytes | memoryview, pos: int) -> int:
        """Take in what is there of the frame's payload."""
        end = min(pos + self._missing, len(source))
        piece = source[pos:end]
        size = end - pos
        if self._inflating:
            while pos < end and self.stop is None:
                part = bytes(source[pos : min(pos + PIECE, end)])
                self._inflate(part)
                self._missing -= len(part)
                pos += len(part)
            return pos
        if self._opcode == TEXT:
            assert self._text is not None
            self._text.write(self._decode_text(piece))
        elif self._payload is not None:
            with self._payload.getbuffer() as view:
                view[self._filled : self._filled + size] = piece
            self._filled += size
        else:
            assert self._data is not None
            self._data += piece
        self._missing -= size
        self._size += size
        return end

    def _decode_text(self, piece: bytes | memoryview) -> str:
        assert self._utf8 is not None
        text = self._utf8.decode(piece)
        # Python keeps half a surrogate (ED A0 to ED BF) until a third byte comes: vain patience here.
        if b"\xed\xa0" <= self._utf8.getstate()[0] < b"\xee":
            raise Violation(1007, _NOT_UTF8)
        return text

    def _inflate(self, piece: bytes, *, last: bool = False) -> None:
        """Take in a piece of a compressed message.

        Text is kept as bytes too, and only looked at: as a string, 16 MiB of it may take 64. And it is kept
        in blocks, because one array that grows is copied, and so there twice, more often than not.
        """
        assert self._data is not None
        room = self._max_message_size - self._size
        data = self._breathe(piece, room, last=last)
        if self._opcode == TEXT:
            self._decode_text(data[:room])
        if len(data) > room:
            raise Violation(1009, _TOO_BIG)
        self._data += data
        self._size += len(data)
        if len(self._data) >= _ENOUGH:
            self._blocks.append(self._data)
            self._data = bytearray()

    def _inflate_whole(self, opcode: int, payload: bytes) -> Message:
        """Return the message of a compressed frame that is all there, the common case."""
        room = self._max_message_size
        data = self._breathe(payload, room, last=True)
        if len(data) > room:
            if opcode == TEXT:
                self._utf8 = _utf8()
                self._decode_text(data[:room])  # bad text counts first, as where the frame comes in pieces
            raise Violation(1009, _TOO_BIG)
        return data.decode() if opcode == TEXT else data

    def _breathe(self, piece: bytes, room: int, *, last: bool) -> bytes:
        """Inflate, and pause when that was enough."""
        assert self.deflate is not None
        data = self.deflate.inflate(piece, room, last=last)
        # What goes in counts as well: final blocks with nothing in them cost 5 µs for two bytes.
        self._inflated += len(data) + 64 * len(piece)
        if self._inflated >= _ENOUGH:
            self._inflated = 0
            self.stop = Pause()
        return data

    def _finish(self, messages: list[Message]) -> None:
        """The message is complete."""
        if self._inflating:
            self._inflate(b"", last=True)
            assert self._data is not None
            data = b"".join([*self._blocks, self._data])
            messages.append(data.decode() if self._opcode == TEXT else data)
            self._data = self._utf8 = None
            self._blocks.clear()
            self._inflating = False
        elif self._opcode == TEXT:
            assert self._utf8 is not None
            assert self._text is not None
            self._utf8.decode(b"", True)
            messages.append(self._text.getvalue())
            self._utf8 = self._text = None
        elif self._payload is not None:
            messages.append(self._payload.getvalue())
            self._payload = None
        else:
            assert self._data is not None
            messages.append(bytes(self._data))
            self._data = None
        self._opcode = 0
