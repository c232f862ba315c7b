"""The flat loops: whole frames, small ones out of a chunk, large ones out of it or straight from the source.

Compiled by mypyc, where the wheel was built so, that for small ones takes a quarter of the time. It is the
same file, and all are fast without that, too: no object and no call per frame but what makes the message.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Final, Protocol

__all__ = ["MANY", "arriving_frames", "large_frames", "split"]

# Numbers, and not FIN | TEXT of the module beside this one: only those are constants to mypyc.
_FINAL_TEXT: Final = 0x81
_FINAL_BINARY: Final = 0x82

MANY: Final = 1024
"""How many messages are enough for one pass."""

# Counting them costs a twentieth of the loop; so they are counted only after each of these stretches, which
# hold 16 384 at the very most.
_STRETCH: Final = 32768

_LARGE: Final = struct.Struct(">BBQ")  # the header of a frame over 64 KiB


class Place(Protocol):
    """Where in a chunk its reader is."""

    position: int


class Rest(Protocol):
    """Who decodes what is no frame of the common kind, or not all there."""

    straight: bool

    def take(self) -> bytes:
        """Take out what is not decoded yet."""

    def feed(self, data: bytes) -> None:
        """Take in what is to be decoded next."""


def split(chunk: bytes, pos: int, limit: int, messages: list[str | bytes]) -> int:
    """Cut whole unfragmented frames of at most 64 KiB out of `chunk`.

    Args:
        chunk: what has arrived.
        pos: where a frame begins.
        limit: bytes of payload that a message may have.
        messages: where to put them.

    Returns:
        Where that ended: there were many messages, or there is something that the general step has to judge,
        whatever is wrong included.

    Raises:
        UnicodeDecodeError: text is not UTF-8.
    """
    size = len(chunk)
    if limit < 126:
        return pos
    while pos + 2 <= size and len(messages) < MANY:
        last = min(size, pos + _STRETCH) - 2
        while pos <= last:
            start = pos + 2
            first = chunk[pos]
            length = chunk[pos + 1]
            if length > 125:
                if length != 126 or (start := pos + 4) > size:
                    return pos
                length = chunk[pos + 2] << 8 | chunk[pos + 3]
                if length < 126 or length > limit:
                    return pos
            end = start + length
            if end > size:
                return pos
            if first == _FINAL_TEXT:
                messages.append(chunk[start:end].decode())
            elif first == _FINAL_BINARY:
                messages.append(chunk[start:end])
            else:
                return pos
            pos = end
    return pos


def large_frames(chunk: bytes | memoryview, limit: int, place: Place) -> Iterator[str | bytes]:
    """Cut whole unfragmented frames over 64 KiB out of `chunk`, each when it is asked for.

    It ends at the first that is anything else, bad UTF-8 for example, and raises nothing.

    Args:
        chunk: what has arrived.
        limit: bytes of payload that a message may have.
        place: is moved over each frame that was cut.
    """
    size = len(chunk)
    pos = place.position
    while (start := pos + 10) <= size:
        first, second, length = _LARGE.unpack_from(chunk, pos)
        end: int = start + length
        if end > size or length < 65536 or length > limit or second != 127:
            return
        message: str | bytes
        if first == _FINAL_BINARY:
            message = bytes(chunk[start:end])
        elif first == _FINAL_TEXT:
            try:
                message = str(chunk[start:end], "utf-8")
            except UnicodeDecodeError:
                return
        else:
            return
        place.position = pos = end
        yield message
        del message  # its memory is the next one's


def arriving_frames(
    read: Callable[[int], bytes], enough: int, limit: int, rest: Rest
) -> Iterator[str | bytes]:
    """Read whole unfragmented frames over 64 KiB, each when it is asked for, into memory of its own.

    It ends at the first that is anything else, or not all there, and raises nothing.

    Args:
        read: returns so many bytes, or fewer if no more are there.
        enough: ends after so many bytes of payload.
        limit: bytes of payload that a message may have.
        rest: has what was read before, and gets what was read in vain; its `straight` is set by each message.
    """
    head = rest.take()
    part = head[10:]
    head = head[:10]
    while enough > 0:
        if len(head) < 10:
            head += read(10 - len(head))
            if len(head) < 10:
                break
        first, second, length = _LARGE.unpack(head)
        missing: int = length - len(part)
        if length < 65536 or length > limit or second != 127 or missing <= 0:
            break
        if first not in (_FINAL_BINARY, _FINAL_TEXT):
            break
        part = part + read(missing) if part else read(missing)  # mypyc would copy to add to nothing
        if len(part) < length:
            break
        message: str | bytes = part
        if first == _FINAL_TEXT:
            try:
                message = str(part, "utf-8")
            except UnicodeDecodeError:
                break
        head = part = b""
        enough -= length
        rest.straight = True
        yield message
        del message  # its memory is the next one's
    rest.feed(head + part)
