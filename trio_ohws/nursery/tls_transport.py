"""TLS as a transport: decrypted into the decoder's memory, written at once.

`trio.SSLStream` shakes hands. After that it would let each call take a turn of the scheduler or two, and make
an object of each record, so we take its connection over: the SSLObject and its memory are of our making,
and what it ran on is a transport like any other.

Reader and writer share three things. Ciphertext leaves in the order in which it was made, so whoever writes
has the line to itself. It is made when a frame is written, or when decrypting calls for an answer (a key
update, a negotiation anew). And a writer whose peer negotiates anew has to read.
"""

import ssl
from collections.abc import Sequence
from typing import Final

import trio

from trio_ohws._wire.scratch import Scratch
from trio_ohws._wire.tls import ARRIVAL, TlsLayer
from trio_ohws.nursery.transport import Sink, Transport

__all__ = ["TlsTransport"]

# Bytes that are encrypted at a time: OpenSSL's memory for them never shrinks.
_PIECE: Final = 65536


class TlsTransport:
    """A TLS connection.

    Args:
        below: where ciphertext goes and comes from.
        layer: the connection's.
        scratch: where to receive ciphertext.
    """

    __slots__ = ("_ahead", "_arrived", "_below", "_layer", "_line", "_reading", "_rest", "_scratch")

    def __init__(self, below: Transport, layer: TlsLayer, scratch: Scratch) -> None:
        self._below = below
        self._layer = layer
        self._scratch = scratch
        self._line = trio.Lock()  # held by who writes
        self._rest = b""  # made, and not written yet
        self._ahead = 0  # bytes of plaintext in it that `write_now` did not count: they will be offered again
        self._reading = False
        self._arrived: trio.Event | None = None  # what waits for the one who reads

    # Writing

    def write_now(self, *parts: bytes | memoryview) -> int:
        if len(parts) > 1 or len(parts[0]) > _PIECE or self._line.locked():
            return 0  # what is large is encrypted piece by piece
        data = parts[0]
        try:
            if self._rest:
                self._rest = self._rest[self._below.write_now(self._rest) :]
                if self._rest:
                    return 0
            ahead, self._ahead = self._ahead, 0
            if ahead < len(data):
                self._layer.encrypt(memoryview(data)[ahead:])
            ciphertext = self._layer.take()
            self._rest = ciphertext[self._below.write_now(ciphertext) :]
        except ssl.SSLWantReadError:
            return ahead
        except ssl.SSLError as error:
            raise trio.BrokenResourceError from error
        if not self._rest:
            return len(data)
        self._ahead = len(data) - ahead
        return ahead

    async def write(self, buffers: Sequence[bytes | memoryview]) -> None:
        await self._get_in_line()
        try:
            await self._send()
            ahead, self._ahead = self._ahead, 0
            for buffer in buffers:
                for start in range(ahead, len(buffer), _PIECE):
                    await self._encrypt(memoryview(buffer)[start : start + _PIECE])
                    await self._send()
                ahead = max(0, ahead - len(buffer))
        finally:
            self._line.release()

    async def _get_in_line(self) -> None:
        try:
            self._line.acquire_nowait()
        except trio.WouldBlock:
            await self._line.acquire()

    async def _encrypt(self, piece: memoryview) -> None:
        while True:
            try:
                self._layer.encrypt(piece)
            except ssl.SSLWantReadError:
                # One or the other: what we want to read may be read by somebody else while we send.
                if self._rest or self._layer.owes:
                    await self._send()
                else:
                    await self._arrive()
                    self._layer.keep()
            except ssl.SSLError as error:
                raise trio.BrokenResourceError from error
            else:
                return

    async def _send(self) -> None:
        """Write all ciphertext that was made."""
        while self._rest or self._layer.owes:
            ciphertext, self._rest = self._rest + self._layer.take(), b""
            await self._below.write([ciphertext])

    # Reading

    def read_now(self, size: int) -> bytes:
        return b""  # records are no larger than 16 KiB

    async def receive_into(self, sink: Sink) -> int:
        if self._layer.more:
            await trio.lowlevel.checkpoint()  # the last read gave more than one turn takes
        else:
            await self._hear()
        while not (count := self._decrypt(sink)) and not self._layer.ended:
            await self._hear()
        return count

    async def _hear(self) -> None:
        """Wait for ciphertext; what is owed for what came before goes first."""
        if self._layer.owes and not self._line.locked():
            await self._answer()
        await self._arrive()

    def _decrypt(self, sink: Sink) -> int:
        """Give plaintext to `sink`, as much as it takes at once."""
        total, more = 0, True
        try:
            while more and (count := self._layer.decrypt(sink.get_buffer())):
                total += count
                more = sink.buffer_updated(count)
        except ssl.SSLError as error:
            if not total:
                raise trio.BrokenResourceError from error
        self._layer.keep()
        return total

    async def _answer(self) -> None:
        await self._get_in_line()
        try:
            await self._send()
        finally:
            self._line.release()

    async def _arrive(self) -> None:
        """Wait for ciphertext, or for the end; let who needs it wait for who is already waiting."""
        if self._reading:
            if self._arrived is None:
                self._arrived = trio.Event()
            await self._arrived.wait()
            return
        self._reading = True
        try:
            if not await self._below.receive_into(self):
                self._layer.feed_eof()
        finally:
            self._reading = False
            if self._arrived is not None:
                self._arrived.set()
                self._arrived = None

    # The sink of what is below

    def get_buffer(self) -> memoryview:
        return self._scratch.arrivals[:ARRIVAL]

    def buffer_updated(self, count: int) -> bool:
        self._layer.feed(self._scratch.arrivals[:count])
        return False

    def feed(self, data: bytes | bytearray) -> None:
        self._layer.feed(memoryview(data))

    # The end

    async def send_eof(self) -> None:
        await trio.lowlevel.checkpoint()  # there is no half-close

    async def abort(self) -> None:
        await self._below.abort()
