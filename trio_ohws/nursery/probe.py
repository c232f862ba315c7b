"""What tells instruments what a connection does, and what counts for them.

The theory. The hot paths must not pay for what nobody asked for, and are not asked whether somebody did: a
transport that counts is put between them and the network. The reader asks the transport for more when it is
done with what it had, and the outbox gives it many frames at a time; so the transport sees every batch, and
the difference of two counters that exist anyway says what was in it.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Final, Literal, Protocol

import trio

from trio_ohws._wire.frames import CLOSE, PING, PONG
from trio_ohws.events.model import CloseResult
from trio_ohws.instrument import ConnectionInfo, ControlFrame, Established, Instrument
from trio_ohws.nursery.endpoints import Endpoints
from trio_ohws.nursery.transport import Sink, Transport

__all__ = ["CONTROL_FRAMES", "Panel", "Probe", "ProbedTransport"]

CONTROL_FRAMES: Final[dict[int, ControlFrame]] = {PING: "ping", PONG: "pong", CLOSE: "close"}

logger: Final = logging.getLogger("trio_ohws")

_ids: Final = count(1)


class Reader(Protocol):
    """What counts that which was received."""

    messages: int
    bytes: int


class Sender(Protocol):
    """What counts that which was sent."""

    messages: int


class Panel:
    """The instruments of a socket.

    Args:
        instruments: all of them.
        raise_fault: raises in the socket's nursery what is no error of an instrument's: KeyboardInterrupt.
    """

    def __init__(
        self, instruments: tuple[Instrument, ...], raise_fault: Callable[[BaseException], object]
    ) -> None:
        self._instruments = instruments  # those that have not raised
        self._raise = raise_fault

    def forget(self) -> None:
        """The socket has been left: let go of it, or both would be a cycle."""
        del self._raise

    def probe(self, scheme: Literal["ws", "wss"], host: str, port: int) -> "Probe":
        """Return what tells the instruments of a new connection."""
        return Probe(self, ConnectionInfo(next(_ids), scheme, host, port))

    def tell(self, what: Callable[[Instrument], object]) -> None:
        """Call all that have not raised; this never raises."""
        for instrument in self._instruments:
            try:
                what(instrument)
            except Exception:
                self._instruments = tuple(other for other in self._instruments if other is not instrument)
                logger.exception("%s raised, and is told nothing more", type(instrument).__name__)
            except BaseException as fault:  # noqa: BLE001, ASYNC103  # raised in the socket's nursery
                self._raise(fault)


class Probe:
    """Tells the instruments of a socket about one connection.

    Args:
        panel: the socket's.
        connection: which one.
    """

    __slots__ = ("_began", "_connection", "_panel", "_read", "_reader", "_received", "_sender", "_sent")

    def __init__(self, panel: Panel, connection: ConnectionInfo) -> None:
        self._panel = panel
        self._connection = connection
        self._began = 0.0  # the attempt; then the connection
        self._reader: Reader | None = None  # while it is open
        self._sender: Sender | None = None
        self._received = 0  # messages that were told of
        self._read = 0  # bytes
        self._sent = 0  # messages

    def connecting(self) -> None:
        self._began = trio.current_time()
        self._panel.tell(lambda instrument: instrument.connecting(self._connection))

    def refused(self, error: Exception | None) -> None:
        seconds = trio.current_time() - self._began
        self._panel.tell(lambda instrument: instrument.refused(self._connection, error, seconds))

    def connected(
        self,
        reader: Reader,
        sender: Sender,
        endpoints: Endpoints,
        subprotocol: str | None,
        headers: Iterable[tuple[str, str]],
    ) -> None:
        now = trio.current_time()
        tls = endpoints.tls if self._connection.scheme == "wss" else None  # a proxy may speak TLS
        established = Established(
            now - self._began,
            endpoints.local,
            endpoints.remote,
            None if tls is None else tls.version,
            subprotocol,
            tuple(value for name, value in headers if name.lower() == "sec-websocket-extensions"),
        )
        self._began = now
        self._reader, self._sender = reader, sender
        self._panel.tell(lambda instrument: instrument.connected(self._connection, established))

    def read_on(self) -> None:
        """The reader is done with what it had."""
        reader = self._reader
        if reader is None:
            return
        messages, size = reader.messages - self._received, reader.bytes - self._read
        if messages or size:
            self._received, self._read = reader.messages, reader.bytes
            self._panel.tell(lambda instrument: instrument.received(self._connection, messages, size))

    def wrote(self, size: int) -> None:
        """So many bytes are with the operating system."""
        sender = self._sender
        if sender is None or not size:
            return
        messages, self._sent = sender.messages - self._sent, sender.messages
        self._panel.tell(lambda instrument: instrument.sent(self._connection, messages, size))

    def control_received(self, frame: ControlFrame) -> None:
        self._panel.tell(lambda instrument: instrument.control_received(self._connection, frame))

    def control_sent(self, frame: ControlFrame) -> None:
        self._panel.tell(lambda instrument: instrument.control_sent(self._connection, frame))

    def round_trip(self, seconds: float) -> None:
        self._panel.tell(lambda instrument: instrument.round_trip(self._connection, seconds))

    def parked(self) -> None:
        self._panel.tell(lambda instrument: instrument.parked(self._connection))

    def unparked(self, seconds: float) -> None:
        self._panel.tell(lambda instrument: instrument.unparked(self._connection, seconds))

    def closed(self, result: CloseResult) -> None:
        self.read_on()  # it may have been parked with a batch in hand
        self._reader = self._sender = None
        seconds = trio.current_time() - self._began
        self._panel.tell(lambda instrument: instrument.closed(self._connection, result, seconds))

    def broke(self, error: BaseException) -> None:
        """Something else than an answer ended it; a cancellation, as a rule."""
        if self._reader is None:
            self.refused(error if isinstance(error, Exception) else None)
        else:
            self.closed(CloseResult(1006, "The link is down", by="link", cause=error))


class ProbedTransport:
    """A transport that tells a probe of each batch.

    Args:
        transport: the real one.
        probe: what is told.
    """

    __slots__ = ("_probe", "_transport")

    def __init__(self, transport: Transport, probe: Probe) -> None:
        self._transport = transport
        self._probe = probe

    def write_now(self, *parts: bytes | memoryview) -> int:
        sent = self._transport.write_now(*parts)
        self._probe.wrote(sent)
        return sent

    async def write(self, buffers: Sequence[bytes | memoryview]) -> None:
        await self._transport.write(buffers)
        self._probe.wrote(sum(map(len, buffers)))

    def read_now(self, size: int) -> bytes:
        return self._transport.read_now(size)

    async def receive_into(self, sink: Sink) -> int:
        self._probe.read_on()
        return await self._transport.receive_into(sink)

    async def send_eof(self) -> None:
        await self._transport.send_eof()

    async def abort(self) -> None:
        await self._transport.abort()
