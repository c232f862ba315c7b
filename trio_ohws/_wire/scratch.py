"""The memory into which bytes are received: one area for all connections of a run."""

from typing import Final

__all__ = ["READ_SIZE", "Scratch"]

READ_SIZE: Final = 262144
"""Bytes that are asked of the operating system, or of a stream, at a time."""


class Scratch:
    """An area for the next bytes of any connection, and a spare buffer for a large frame.

    A connection holds nothing while it is idle: what arrives is received into `view` and decoded before
    any other task runs, so the area can be shared. A large frame, which takes many reads to arrive, is
    lent a buffer of its own; it comes back with its pages warm, and a zeroed new one costs more than
    receiving into it.

    Args:
        size: bytes that are asked of the operating system at a time.
    """

    __slots__ = ("_spare", "area", "view")

    SPARE_LIMIT = 4 << 20  # bytes of a spare buffer that is worth keeping

    def __init__(self, size: int = READ_SIZE) -> None:
        self.area: bytearray = bytearray(size)
        self.view: memoryview = memoryview(self.area)
        self._spare: bytearray | None = None

    def lend(self, size: int) -> bytearray:
        """Return a buffer of at least `size` bytes, which is the caller's until it gives it back."""
        spare = self._spare
        if spare is not None and len(spare) >= size:
            self._spare = None
            return spare
        return bytearray(size)

    def give_back(self, buffer: bytearray) -> None:
        """Keep `buffer` for the next large frame, if it is larger than what is kept, and not huge."""
        if len(buffer) <= self.SPARE_LIMIT and (self._spare is None or len(self._spare) < len(buffer)):
            self._spare = buffer
