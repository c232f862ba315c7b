"""Standard input and output without standing still: a slow reader of ours must not stop the pongs.

Neither is made non-blocking, which would be seen by everybody who shares them. So both wait in threads, which
are left behind if the command ends first: Trio's threads do not keep the process alive.
"""

import os
import select
from collections.abc import AsyncGenerator
from typing import Final

import trio

__all__ = ["lines_of", "write_all"]

_CHUNK: Final = 64 * 1024


async def lines_of(fd: int) -> AsyncGenerator[list[bytes]]:
    """Read lines as they come, without their ends: each step has at least one. The last may have no end."""
    rest = b""
    while chunk := await _read(fd):
        first, *others = chunk.split(b"\n")
        rest += first
        if others:
            *whole, last = rest, *others
            yield [line.removesuffix(b"\r") for line in whole]
            rest = last
    if rest:
        yield [rest]


async def _read(fd: int) -> bytes:
    try:
        return await trio.to_thread.run_sync(_read_some, fd, abandon_on_cancel=True)
    except OSError:  # it was closed before we began
        return b""


def _read_some(fd: int) -> bytes:
    while True:
        try:
            return os.read(fd, _CHUNK)
        except BlockingIOError:  # somebody who shares it has made it non-blocking
            select.select([fd], [], [])


async def write_all(fd: int, data: bytes) -> None:
    """Write everything.

    Raises:
        OSError: nobody reads it any more, or the disk is full.
    """
    await trio.to_thread.run_sync(_write_all, fd, data, abandon_on_cancel=True)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:  # as above
            select.select([], [fd], [])
