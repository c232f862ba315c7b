"""The memory into which bytes are received: one area for all connections of a run."""

from typing import Final

__all__ = ["READ_SIZE", "WIDTH", "Scratch"]

READ_SIZE: Final = 262144
"""Bytes that are asked of the operating system, or of a stream, at a time."""

WIDTH: Final = 4
"""How many times as large the other areas of a `Scratch` are."""

# Where in a page an area begins. The C library begins every large block 16 bytes into one, the kernel's data
# begin with one; and where the target is a few bytes behind the source, modulo 4096, `rep movsb` takes twelve
# times as long on some processors (AMD's Zen 3).
_INTO_PAGE: Final = 512


class Scratch:
    """Where received bytes land.

    A connection holds nothing while it is idle: what arrives is received into `view` and decoded before
    any other task runs, so the area can be shared.

    Args:
        size: bytes that are asked of the operating system at a time.
    """

    __slots__ = ("_arrivals", "_wide", "view")

    def __init__(self, size: int = READ_SIZE) -> None:
        self.view: memoryview = _area(size)
        self._wide: memoryview | None = None
        self._arrivals: memoryview | None = None

    @property
    def wide(self) -> memoryview:
        """Another area, `WIDTH` times as large, which is made when first asked for.

        It is for connections on which large frames arrive whole: with few of them in a read, the turn of
        the scheduler between two reads costs as much as they do.
        """
        if self._wide is None:
            self._wide = _area(WIDTH * len(self.view))
        return self._wide

    @property
    def arrivals(self) -> memoryview:
        """An area for what is to be decrypted, as large as `wide`; made when first asked for."""
        if self._arrivals is None:
            self._arrivals = _area(WIDTH * len(self.view))
        return self._arrivals


def _area(size: int) -> memoryview:
    return memoryview(bytearray(_INTO_PAGE + size))[_INTO_PAGE:]
