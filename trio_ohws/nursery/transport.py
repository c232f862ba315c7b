"""The open stream below a session, and the two things that Trio's Stream cannot do.

Reading into memory that all connections of a run share needs a read that runs nothing else between the
system call and the decoder; writing a frame inside a plain function needs a write that never waits. A
plain socket has both, by public ways only: it is detached from its `trio.SocketStream`. Any other stream
(memory, yours) reads and writes through its own methods.
"""

import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

import trio

from trio_ohws._wire.scratch import READ_SIZE

__all__ = ["LINK_ERRORS", "Sink", "SocketTransport", "StreamTransport", "Transport"]

_GATHERS: Final = hasattr(socket.socket, "sendmsg")  # not so on Windows

# How many bytes that are not sent yet the kernel takes. Trio sets it low, so that what is written late can
# still go early. But nothing comes between the bytes of one write: a large one may go there whole.
_UNSENT: Final[int | None] = getattr(socket, "TCP_NOTSENT_LOWAT", None)  # not so on Windows
_LARGE: Final = 65536
_ENOUGH: Final = 1 << 20  # bytes of a large frame that are read in one turn, which takes some 0.2 ms
_MOST_UNSENT: Final = (1 << 31) - 1  # what fits the option

# How many bytes have to be there before a waiting reader is woken: in the middle of a large frame that is
# all of it. A reader that goes there for each segment finds its code gone from the caches each time.
_LOW_WATER: Final[int | None] = getattr(socket, "SO_RCVLOWAT", None)
_PATIENCE: Final = 0.02  # seconds for which they may stay there: meanwhile the window for the sender shrinks

# What a dead link raises, whichever transport it is below.
LINK_ERRORS: Final = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)


class Sink(Protocol):
    """Where received bytes go: a decoder."""

    def get_buffer(self) -> memoryview:
        """Return memory to receive into, which is good until anything else runs."""

    def buffer_updated(self, count: int) -> bool:
        """Take in the `count` bytes that are there now; return whether they belong to a large frame.

        Then more may follow at once, and the end of that memory was the end of the frame.
        """

    def feed(self, data: bytes | bytearray) -> None:
        """Take in bytes that were received elsewhere."""


class Transport(Protocol):
    """What a session needs of a stream; each method raises one of `LINK_ERRORS` if the link is dead."""

    def write_now(self, *parts: bytes | memoryview) -> int:
        """Write what can be written without waiting; return how many bytes, 0 where this cannot be.

        What was not written is what is offered next.
        """

    async def write(self, buffers: Sequence[bytes | memoryview]) -> None:
        """Write all of them."""

    def read_now(self, size: int) -> bytes:
        """Return `size` bytes, or what can be read of them without waiting; b"" where this cannot be.

        What keeps it from that, EOF or a dead link for example, is told by what comes next.
        """

    async def receive_into(self, sink: Sink) -> int:
        """Wait for bytes and give them to `sink`; return how many they are, 0 at EOF.

        Nothing else runs between the moment at which its memory is asked for and the return.
        """

    async def send_eof(self) -> None:
        """Say that nothing more will be written, if the transport can say so and still read."""

    async def abort(self) -> None:
        """Release it at once, without a farewell; nothing remains of it, even if cancelled."""


class SocketTransport:
    """A connected TCP socket.

    Args:
        sock: non-blocking; owned from now on.
    """

    __slots__ = ("_fd", "_missing", "_sock", "_trouble", "_try_first")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._fd = sock.fileno()  # what Trio would ask for at each wait
        self._try_first = False  # nobody has asked yet, so there is no answer
        self._missing = 0  # bytes of the large frame that the last read left unfinished
        self._trouble: OSError | None = None  # to be told after what came before it

    def write_now(self, *parts: bytes | memoryview) -> int:
        if len(parts) > 1:
            before = self._let_wait(sum(map(len, parts)))
            sent = self._send(parts)
            self._let_wait(before)
            return sent
        try:
            return self._sock.send(parts[0])
        except BlockingIOError:
            return 0

    async def write(self, buffers: Sequence[bytes | memoryview]) -> None:
        pending = list(buffers)
        size = sum(map(len, pending))
        before = self._let_wait(size) if size > _LARGE else None
        while pending:
            if not (sent := self._send(pending)) and pending[0]:
                await trio.lowlevel.wait_writable(self._fd)
                continue
            while pending and sent >= len(pending[0]):
                sent -= len(pending.pop(0))
            if sent:
                pending[0] = memoryview(pending[0])[sent:]
        self._let_wait(before)

    def _send(self, parts: Sequence[bytes | memoryview]) -> int:
        try:
            return self._sock.sendmsg(parts) if _GATHERS and len(parts) > 1 else self._sock.send(parts[0])
        except BlockingIOError:
            return 0

    def _let_wait(self, size: int | None) -> int | None:
        """Let `size` bytes wait in the kernel, not sent yet; return how many could before, if TCP knows."""
        if _UNSENT is not None and size is not None:
            with suppress(OSError):  # no TCP; or a dead link, of which the next write says more
                before = self._sock.getsockopt(socket.IPPROTO_TCP, _UNSENT)
                self._sock.setsockopt(socket.IPPROTO_TCP, _UNSENT, min(size, _MOST_UNSENT))
                return before
        return None

    def read_now(self, size: int) -> bytes:
        try:
            data = self._sock.recv(size)
        except BlockingIOError:
            data = b""
        except OSError as trouble:
            self._trouble = trouble
            return b""
        self._try_first = len(data) == size
        return data

    async def receive_into(self, sink: Sink) -> int:
        if self._trouble is not None:
            raise self._trouble
        if self._missing >= _LARGE:
            await self._wait_for_rest()
        # After a read that left room, there is nothing to read: a system call saved. After one that did
        # not, there is: then it is the scheduler that must have its turn, lest a flood starve the rest.
        elif self._try_first:
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.wait_readable(self._fd)
        total = 0
        while True:
            buffer = sink.get_buffer()
            size = len(buffer)
            try:
                count = self._sock.recv_into(buffer)
            except BlockingIOError:
                self._try_first = False
                if total:
                    return total
                await trio.lowlevel.wait_readable(self._fd)
                continue
            except OSError as trouble:
                if not total:
                    raise
                self._trouble = trouble
                return total
            self._try_first = 2 * count >= size
            self._missing = 0
            total += count
            if not count or not sink.buffer_updated(count):
                return total
            # In the middle of a large frame there is nothing to hand on, and the sender is likely to have
            # sent more of it meanwhile: a system call that may be in vain costs a tenth of a turn.
            self._missing = size - count
            if count < _LARGE or total >= _ENOUGH:
                return total

    async def _wait_for_rest(self) -> None:
        """Wait for the rest of a large frame, or a good deal of it; for something, if that takes long."""
        self._wake_at(min(self._missing, _ENOUGH))
        try:
            with trio.move_on_after(_PATIENCE):
                await trio.lowlevel.wait_readable(self._fd)
        finally:
            self._wake_at(1)

    def _wake_at(self, size: int) -> None:
        if _LOW_WATER is not None:
            with suppress(OSError):  # no TCP, or Windows; or a dead link, of which the next read says more
                self._sock.setsockopt(socket.SOL_SOCKET, _LOW_WATER, size)

    async def send_eof(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)
        await trio.lowlevel.checkpoint()

    async def abort(self) -> None:
        trio.lowlevel.notify_closing(self._fd)
        self._sock.close()


class StreamTransport:
    """Any other Trio stream.

    Args:
        stream: owned from now on.
    """

    __slots__ = ("_stream",)

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    def write_now(self, *parts: bytes | memoryview) -> int:
        return 0

    async def write(self, buffers: Sequence[bytes | memoryview]) -> None:
        for buffer in buffers:
            await self._stream.send_all(buffer)

    def read_now(self, size: int) -> bytes:
        return b""

    async def receive_into(self, sink: Sink) -> int:
        data = await self._stream.receive_some(READ_SIZE)
        if data:
            sink.feed(data)
        return len(data)

    async def send_eof(self) -> None:
        # TLS has no half-close. Of other streams we do not know what their EOF would do to our reading.
        await trio.lowlevel.checkpoint()

    async def abort(self) -> None:
        # Sheltered, or a cancellation from outside would come in the place of what ends the session.
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(self._stream)
