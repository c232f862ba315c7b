"""What connections do, as spans and metrics.

OpenTelemetry has no conventions for WebSockets. Attributes are those of its general, network, URL, HTTP and
TLS registries wherever one says what is meant; the rest is called ``websocket.``, and the metrics are shaped
after those of HTTP clients.
"""

from importlib.metadata import version
from typing import Final

from opentelemetry.metrics import MeterProvider, get_meter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider, get_tracer

from trio_ohws.errors import UpgradeRefused
from trio_ohws.events.model import CloseResult
from trio_ohws.instrument import ConnectionInfo, ControlFrame, Established, Instrument
from trio_ohws.instruments.error_type import type_of_end, type_of_refusal

__all__ = ["OpenTelemetryInstrument"]

_SHORT: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_LONG: Final = (0.1, 1, 10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 7 * 24 * 3600)

_Attributes = dict[str, str | int]


class OpenTelemetryInstrument(Instrument):
    """Makes a span of each connection, and metrics of all; one instrument will do for a program.

    Args:
        tracer_provider: whose spans they are; None for the global one.
        meter_provider: whose metrics they are; None for the global one.

    Source: beyond OHOS; OpenTelemetry's semantic conventions.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        release = version("trio_ohws")
        self._tracer = get_tracer("trio_ohws", release, tracer_provider)
        self._spans: dict[int, Span] = {}
        meter = get_meter("trio_ohws", release, meter_provider)
        prefix = "websocket.client"
        self._open = meter.create_up_down_counter(
            f"{prefix}.open_connections", "{connection}", "Connections that are open."
        )
        self._attempts = meter.create_histogram(
            f"{prefix}.connect.duration",
            "s",
            "Attempts to connect, the handshake included.",
            explicit_bucket_boundaries_advisory=_SHORT,
        )
        self._durations = meter.create_histogram(
            f"{prefix}.connection.duration",
            "s",
            "Connections, from open to closed.",
            explicit_bucket_boundaries_advisory=_LONG,
        )
        self._messages = meter.create_counter(f"{prefix}.messages", "{message}", "Messages.")
        self._bytes = meter.create_counter(f"{prefix}.io", "By", "Bytes after the handshake.")
        self._frames = meter.create_counter(f"{prefix}.control_frames", "{frame}", "Pings, pongs and Closes.")
        self._round_trips = meter.create_histogram(
            f"{prefix}.round_trip.duration",
            "s",
            "From a ping to its pong.",
            explicit_bucket_boundaries_advisory=_SHORT,
        )
        self._waits = meter.create_counter(
            f"{prefix}.parked.time", "s", "Time for which slow consumers kept readers from reading."
        )

    def connecting(self, connection: ConnectionInfo) -> None:
        """Start a span: a child of the one in which ``connect`` was called."""
        self._spans[connection.id] = self._tracer.start_span(
            "websocket connection",
            kind=SpanKind.CLIENT,
            attributes={**_server(connection), "network.protocol.name": "websocket"},
        )

    def refused(self, connection: ConnectionInfo, error: Exception | None, seconds: float) -> None:
        """End the span, as a failure unless the attempt was given up, and count the attempt."""
        attributes = _server(connection)
        span = self._spans.pop(connection.id)
        if error is not None:
            attributes["error.type"] = type_of_refusal(error)
            span.set_attribute("error.type", attributes["error.type"])
            span.set_status(Status(StatusCode.ERROR, str(error)))
        if isinstance(error, UpgradeRefused):
            span.set_attribute("http.response.status_code", error.status)
        span.end()
        self._attempts.record(seconds, attributes)

    def connected(self, connection: ConnectionInfo, established: Established) -> None:
        """Add what the connection is like to the span, and the event ``websocket.open``; count."""
        span = self._spans[connection.id]
        span.set_attribute("http.response.status_code", 101)
        for end, address in (("peer", established.remote_address), ("local", established.local_address)):
            if isinstance(address, str):
                span.set_attribute(f"network.{end}.address", address)
            elif address is not None:
                span.set_attribute(f"network.{end}.address", address[0])
                span.set_attribute(f"network.{end}.port", address[1])
        if established.tls_version is not None:
            span.set_attribute("tls.protocol.name", "tls")
            span.set_attribute("tls.protocol.version", established.tls_version.removeprefix("TLSv"))
        if established.subprotocol is not None:
            span.set_attribute("websocket.subprotocol", established.subprotocol)
        if established.extensions:
            span.set_attribute("websocket.extensions", established.extensions)
        span.add_event("websocket.open")
        self._attempts.record(established.seconds, _server(connection))
        self._open.add(1, _server(connection))

    def received(self, connection: ConnectionInfo, messages: int, size: int) -> None:
        """Count."""
        self._count(connection, "receive", messages, size)

    def sent(self, connection: ConnectionInfo, messages: int, size: int) -> None:
        """Count."""
        self._count(connection, "transmit", messages, size)

    def control_received(self, connection: ConnectionInfo, frame: ControlFrame) -> None:
        """Count."""
        self._count_frame(connection, "receive", frame)

    def control_sent(self, connection: ConnectionInfo, frame: ControlFrame) -> None:
        """Count."""
        self._count_frame(connection, "transmit", frame)

    def round_trip(self, connection: ConnectionInfo, seconds: float) -> None:
        """Record."""
        self._round_trips.record(seconds, _server(connection))

    def unparked(self, connection: ConnectionInfo, seconds: float) -> None:
        """Add up."""
        self._waits.add(seconds, _server(connection))

    def closed(self, connection: ConnectionInfo, result: CloseResult, seconds: float) -> None:
        """Add the event ``websocket.close`` to the span and end it, as a failure if it was one; count."""
        span = self._spans.pop(connection.id)
        told: dict[str, str | int | bool] = {
            "websocket.close.code": result.code,
            "websocket.close.reason": result.reason,
            "websocket.close.clean": result.clean,
            "websocket.close.by": result.by,
        }
        span.add_event("websocket.close", told)
        span.set_attribute("websocket.close.code", result.code)
        attributes = _server(connection)
        self._open.add(-1, attributes)
        kind = type_of_end(result)
        if kind is not None:
            attributes["error.type"] = kind
            span.set_attribute("error.type", kind)
            span.set_status(Status(StatusCode.ERROR, f"closed by {result.by} with {result.code}"))
        span.end()
        self._durations.record(seconds, attributes)

    def _count(self, connection: ConnectionInfo, direction: str, messages: int, size: int) -> None:
        attributes = {**_server(connection), "network.io.direction": direction}
        self._messages.add(messages, attributes)
        self._bytes.add(size, attributes)

    def _count_frame(self, connection: ConnectionInfo, direction: str, frame: str) -> None:
        self._frames.add(
            1, {**_server(connection), "network.io.direction": direction, "websocket.frame.type": frame}
        )


def _server(connection: ConnectionInfo) -> _Attributes:
    return {
        "server.address": connection.host,
        "server.port": connection.port,
        "url.scheme": connection.scheme,
    }
