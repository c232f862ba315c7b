"""A byte stream of AnyIO's, as Trio has them."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import anyio.abc
import trio

__all__ = ["ByteStreamTransport"]

_RECEIVE_SIZE = 65536  # bytes


class ByteStreamTransport(trio.abc.Stream):
    """A byte stream of AnyIO's, as a stream of Trio's.

    Args:
        stream: owned from now on.
    """

    def __init__(self, stream: anyio.abc.ByteStream) -> None:
        self._stream = stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it; see `trio.abc.SendStream`."""
        with _trio_errors():
            await self._stream.send(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        """Return at once: AnyIO does not know."""
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what is there, b"" at the end; see `trio.abc.ReceiveStream`."""
        with _trio_errors():
            while True:
                try:
                    data = await self._stream.receive(max_bytes or _RECEIVE_SIZE)
                except anyio.EndOfStream:
                    return b""
                if data:  # AnyIO asks its users to ignore an empty one, which would be an end for Trio
                    return data

    async def aclose(self) -> None:
        """Close it."""
        await self._stream.aclose()


@contextmanager
def _trio_errors() -> Iterator[None]:
    """The other way round."""
    try:
        yield
    except anyio.ClosedResourceError as error:
        raise trio.ClosedResourceError("the byte stream was closed") from error
    except anyio.BrokenResourceError as error:
        raise trio.BrokenResourceError("the byte stream is broken") from error
    except anyio.BusyResourceError as error:
        raise trio.BusyResourceError("the byte stream is used by another task") from error
