"""The pings in flight, and what they measured."""

import os
from collections.abc import Callable

import trio

from trio_ohws._wire.frames import PING, encode
from trio_ohws.errors import PARAMETER_ERROR, failure
from trio_ohws.nursery.outbox import Outbox
from trio_ohws.nursery.probe import Probe

__all__ = ["Pings"]


class _Ping:
    __slots__ = ("answered", "latency", "sent_at")

    def __init__(self) -> None:
        self.sent_at: float = trio.current_time()
        self.answered: trio.Event = trio.Event()
        self.latency: float | None = None

    def written(self) -> None:
        self.sent_at = trio.current_time()


class Pings:
    """Sends pings and matches pongs (RFC 6455 sections 5.5.2 and 5.5.3).

    Args:
        outbox: where pings are queued.
        probe: is told of pings and round trips.
    """

    __slots__ = ("_error", "_in_flight", "_outbox", "_probe", "latency")

    def __init__(self, outbox: Outbox, probe: Probe | None = None) -> None:
        self._outbox = outbox
        self._probe = probe
        self._in_flight: dict[bytes, _Ping] = {}
        self._error: Callable[[], Exception] | None = None
        self.latency: float | None = None  # seconds, the last one measured

    def __len__(self) -> int:
        return len(self._in_flight)

    def send(self, payload: bytes) -> _Ping:
        """Queue a ping."""
        ping = self._in_flight[payload] = _Ping()
        self._outbox.put(encode(PING, payload), ours=True)
        self._outbox.mark(self._outbox.position, ping.written)
        if self._probe is not None:
            self._probe.control_sent("ping")
        return ping

    def keep_alive(self) -> None:
        """Queue the empty ping of the keepalive, unless one is in flight."""
        if b"" not in self._in_flight:
            self.send(b"")

    async def measure(self, payload: bytes | None) -> float:
        """Send a ping and wait for its pong; see `WebSocket.ping`."""
        if payload is None:
            payload = os.urandom(4)
            while payload in self._in_flight:
                payload = os.urandom(4)
        elif len(payload) > 125:
            raise failure(PARAMETER_ERROR, f"a ping's payload is at most 125 bytes, not {len(payload)}")
        elif payload in self._in_flight:
            raise failure(PARAMETER_ERROR, "a ping with this payload is in flight already")
        ping = self.send(payload)
        try:
            await ping.answered.wait()
        finally:
            if self._in_flight.get(payload) is ping:  # else the payload is another ping's by now
                del self._in_flight[payload]
        if ping.latency is None:
            assert self._error is not None
            raise self._error()
        return ping.latency

    def pong(self, payload: bytes) -> None:
        """A pong came: it answers its ping, and those before it, which the peer may have skipped."""
        now = trio.current_time()
        while payload in self._in_flight:
            ping = self._in_flight.pop(next(iter(self._in_flight)))
            self.latency = ping.latency = now - ping.sent_at
            ping.answered.set()
            if self._probe is not None:
                self._probe.round_trip(ping.latency)

    def end(self, error: Callable[[], Exception]) -> None:
        """No pong will come any more: wake who waits for one, with `error()`."""
        self._error = error
        for ping in self._in_flight.values():
            ping.answered.set()
        self._in_flight.clear()
