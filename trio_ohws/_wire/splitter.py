"""The flat loop: whole small frames out of a chunk of bytes, the common case.

Compiled by mypyc, where the wheel was built so, it takes a quarter of the time. It is the same file, and the
same loop is fast without that, too: no object and no call per frame but the message itself.
"""

from typing import Final

__all__ = ["MANY", "split"]

# Numbers, and not FIN | TEXT of the module beside this one: only those are constants to mypyc.
_FINAL_TEXT: Final = 0x81
_FINAL_BINARY: Final = 0x82

MANY: Final = 1024
"""How many messages are enough for one pass."""

# Counting them costs a twentieth of the loop; so they are counted only after each of these stretches, which
# hold 16 384 at the very most.
_STRETCH: Final = 32768


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
