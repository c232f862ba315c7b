"""A connection on which something goes wrong after a given byte."""

import math
import socket
from typing import ClassVar, Literal

import trio

from tests.nursery.loopback import reset

__all__ = ["DELAY_S", "HEAL_S", "Fault", "FaultSocket", "FaultStream", "Way"]

Way = Literal["down", "up"]
"""Down is what the client reads."""

Fault = Literal["EOF", "reset", "broken pipe", "stall", "partition", "delay", "healing partition", "bytewise"]

DELAY_S = 2.0
HEAL_S = 5.0
_SHORT_DELAY_S = 0.001  # where time is real
_SINGLE = 4  # bytes that come one by one
_WAYS: tuple[Way, Way] = ("down", "up")


class FaultStream(trio.abc.Stream):
    """The client's end of a connection.

    EOF ends what is read; a reset is the end of both ways at once, a broken pipe that of writing. A stall
    stops one way, a partition both, for ever or until it heals; a delay stops one way for a while. Bytewise
    cuts the next few bytes.

    Args:
        stream: the healthy one.
        fault: what goes wrong.
        way: which bytes are counted, and stopped by a stall or a delay.
        at: how many of them pass before.
    """

    reads: ClassVar[Way] = "down"
    writes: ClassVar[Way] = "up"

    def __init__(self, stream: trio.abc.Stream, fault: Fault, way: Way, at: int) -> None:
        self.stream = stream
        self.fault = fault
        self.way = way
        self.closed = False
        self._left = at
        self._single = 0
        self._eof = False
        self._broken: set[Way] = set()
        self._open_at: dict[Way, float] = dict.fromkeys(_WAYS, -math.inf)
        self._reading: trio.CancelScope | None = None
        if not at:
            self._strike()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write, as far as the fault lets it."""
        rest = bytes(data)
        while rest:
            await self._pass(self.writes)
            piece = rest[: self._size(self.writes, len(rest))]
            await self.stream.send_all(piece)
            rest = rest[len(piece) :]
            self._count(self.writes, len(piece))

    async def wait_send_all_might_not_block(self) -> None:
        """Pass on."""
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Read, as far as the fault lets it."""
        while True:
            await self._pass(self.reads)
            if self._eof:
                return b""
            with trio.CancelScope() as self._reading:
                data = await self.stream.receive_some(self._size(self.reads, max_bytes or 65536))
                self._count(self.reads, len(data))
                return data

    async def aclose(self) -> None:
        """Close."""
        self.closed = True
        await self.stream.aclose()

    async def _pass(self, way: Way) -> None:
        await trio.lowlevel.checkpoint()
        if self._open_at[way] > trio.current_time():
            await trio.sleep_until(self._open_at[way])
        if way in self._broken:
            raise trio.BrokenResourceError(f"{self.fault}, {way}")

    def _size(self, way: Way, size: int) -> int:
        """Return how many bytes may pass at once."""
        if way == self.way:
            if self._left:
                return min(size, self._left)
            if self._single:
                return 1
        return size

    def _count(self, way: Way, size: int) -> None:
        if way == self.way:
            if self._left:
                self._left -= size
                if not self._left:
                    self._strike()
            elif self._single:
                self._single -= 1

    def _strike(self) -> None:
        now = trio.current_time()
        match self.fault:
            case "EOF":
                self._eof = True
            case "reset":
                self._broken.update(_WAYS)
            case "broken pipe":
                self._broken.add("up")
            case "stall":
                self._open_at[self.way] = math.inf
            case "delay":
                self._open_at[self.way] = now + DELAY_S
            case "partition":
                self._open_at = dict.fromkeys(_WAYS, math.inf)
            case "healing partition":
                self._open_at = dict.fromkeys(_WAYS, now + HEAL_S)
            case "bytewise":
                self._single = _SINGLE
        if self._reading is not None:
            self._reading.cancel()


class FaultSocket(FaultStream):
    """The server's end of a TCP connection, where EOF is a FIN and a reset is a RST, whichever way counts.

    Args:
        stream: the healthy one.
        fault: what goes wrong.
        way: which bytes are counted.
        at: how many of them pass before.
    """

    reads = "up"
    writes = "down"
    stream: trio.SocketStream

    def _strike(self) -> None:
        match self.fault:
            case "EOF":
                self.stream.socket.shutdown(socket.SHUT_WR)
                self._open_at["down"] = math.inf
            case "reset":
                reset(self.stream)
                self._broken.update(_WAYS)
            case "delay":
                self._open_at[self.way] = trio.current_time() + _SHORT_DELAY_S
            case _:
                super()._strike()
        if self._reading is not None:
            self._reading.cancel()
