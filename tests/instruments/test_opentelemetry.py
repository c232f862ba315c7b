"""Which spans and metrics connections make, by OpenTelemetry's own SDK."""

from collections.abc import Iterator
from typing import Any

import pytest
import trio
import trio.testing
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.keeper import Keeper
from tests.nursery.loopback import TcpNetwork
from tests.scripted_peer import PING, TEXT, URL, Network, Peer, frame, polite
from trio_ohws import BusinessError, ConnectionInfo, Established
from trio_ohws.instruments.opentelemetry import OpenTelemetryInstrument

Clock = trio.testing.MockClock

SERVER = {"server.address": "example.test", "server.port": 80, "url.scheme": "ws"}


class Backend:
    """What collects spans and metrics."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._metrics = InMemoryMetricReader()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meters = MeterProvider([self._metrics], shutdown_on_exit=False)
        self.instrument = OpenTelemetryInstrument(tracer_provider=self.tracers, meter_provider=self.meters)

    def spans(self) -> tuple[ReadableSpan, ...]:
        """Return those that have ended."""
        return self._spans.get_finished_spans()

    def span(self) -> ReadableSpan:
        """Return the only one that has ended."""
        (span,) = self.spans()
        return span

    def metrics(self) -> dict[str, Any]:
        """Return the data of each metric by its name, without the prefix that all have."""
        data = self._metrics.get_metrics_data()
        assert data is not None
        return {
            metric.name.removeprefix("websocket.client."): metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def sums(self, name: str) -> dict[tuple[object, ...], float]:
        """Return a counter's values by those attributes that do not name the server."""
        return {
            tuple(value for key, value in point.attributes.items() if key not in SERVER): point.value
            for point in self.metrics()[name].data.data_points
        }

    def recorded(self, name: str) -> list[tuple[int, float, dict[str, object]]]:
        """Return count, sum and attributes of each point of a histogram."""
        return [
            (point.count, point.sum, dict(point.attributes))
            for point in self.metrics()[name].data.data_points
        ]


@pytest.fixture
def backend() -> Iterator[Backend]:
    """A fresh one for each test."""
    backend = Backend()
    yield backend
    backend.tracers.shutdown()
    backend.meters.shutdown()


async def refusing(peer: Peer) -> None:
    """A server that does not upgrade."""
    await peer.read_request()
    await peer.stream.send_all(b"HTTP/1.1 429 Too Many Requests\r\n\r\n")
    await peer.stream.aclose()


async def test_a_connection_is_a_span(nursery: trio.Nursery, autojump_clock: Clock, backend: Backend) -> None:
    """It has the conventional attributes, and events of its opening and its end."""
    keeper = Keeper(headers=[("Sec-WebSocket-Protocol", "chat")])
    async with Network(keeper, nursery).websocket(instruments=(backend.instrument,)) as ws:
        await ws.connect(URL, {"protocol": "chat"})
        assert () == backend.spans()
        await ws.close({"code": 4000, "reason": "enough"})

    span = backend.span()
    assert "websocket connection" == span.name
    assert SpanKind.CLIENT is span.kind
    assert StatusCode.UNSET is span.status.status_code
    assert {
        **SERVER,
        "network.protocol.name": "websocket",
        "http.response.status_code": 101,
        "websocket.subprotocol": "chat",
        "websocket.close.code": 4000,
    } == span.attributes
    opened, closed = span.events
    assert ("websocket.open", {}) == (opened.name, opened.attributes)
    assert "websocket.close" == closed.name
    assert {
        "websocket.close.code": 4000,
        "websocket.close.reason": "enough",
        "websocket.close.clean": True,
        "websocket.close.by": "local",
    } == closed.attributes
    assert span.instrumentation_scope is not None
    assert "trio_ohws" == span.instrumentation_scope.name
    assert span.instrumentation_scope.version


async def test_addresses_of_a_socket(nursery: trio.Nursery, backend: Backend) -> None:
    """Both ends are in the span."""
    async with TcpNetwork(polite, nursery).websocket(instruments=(backend.instrument,)) as ws:
        await ws.connect(URL)

    attributes = backend.span().attributes
    assert attributes is not None
    assert ws.remote_address == (attributes["network.peer.address"], attributes["network.peer.port"])
    assert ws.local_address == (attributes["network.local.address"], attributes["network.local.port"])


def test_tls_extensions_and_unix_sockets(backend: Backend) -> None:
    """What not every connection has has its conventional attributes, too."""
    connection = ConnectionInfo(1, "wss", "example.test", 443)
    backend.instrument.connecting(connection)
    backend.instrument.connected(
        connection,
        Established(0.5, remote_address="/run/x", tls_version="TLSv1.3", extensions=("permessage-deflate",)),
    )
    backend.instrument.refused(connection, None, 1)

    attributes = backend.span().attributes
    assert attributes is not None
    assert "/run/x" == attributes["network.peer.address"]
    assert "network.peer.port" not in attributes
    assert ("tls", "1.3") == (attributes["tls.protocol.name"], attributes["tls.protocol.version"])
    assert ("permessage-deflate",) == attributes["websocket.extensions"]


async def test_a_span_is_the_child_of_who_connects(nursery: trio.Nursery, backend: Backend) -> None:
    """Both forms of `connect` carry the context of their caller."""
    tracer = backend.tracers.get_tracer("test")
    async with Network(polite, nursery).websocket(instruments=(backend.instrument,)) as ws:
        with tracer.start_as_current_span("first") as first:
            await ws.connect(URL)
        await ws.close()
        with tracer.start_as_current_span("second") as second:
            ws.connect(URL, lambda err, value: None)
        await trio.testing.wait_all_tasks_blocked()

    parents = [span.parent for span in backend.spans() if span.name == "websocket connection"]
    assert [first.get_span_context(), second.get_span_context()] == parents


async def test_a_refusal_is_an_error(nursery: trio.Nursery, backend: Backend) -> None:
    """The span has the status and its words; the attempt is counted with its kind."""
    async with Network(refusing, nursery).websocket(instruments=(backend.instrument,)) as ws:
        with pytest.raises(BusinessError):
            await ws.connect(URL)

    span = backend.span()
    assert StatusCode.ERROR is span.status.status_code
    assert "server answered 429 Too Many Requests" in str(span.status.description)
    assert {
        **SERVER,
        "network.protocol.name": "websocket",
        "http.response.status_code": 429,
        "error.type": "429",
    } == span.attributes
    ((count, _, attributes),) = backend.recorded("connect.duration")
    assert (1, {**SERVER, "error.type": "429"}) == (count, attributes)
    assert "open_connections" not in backend.metrics()


async def test_giving_up_is_no_error(nursery: trio.Nursery, autojump_clock: Clock, backend: Backend) -> None:
    """A cancelled attempt has a span and a duration, without `error.type`."""

    async def silent(peer: Peer) -> None:
        await peer.read_request()
        await trio.sleep_forever()

    async with Network(silent, nursery).websocket(instruments=(backend.instrument,)) as ws:
        with trio.move_on_after(3):
            await ws.connect(URL)
        nursery.cancel_scope.cancel()

    assert StatusCode.UNSET is backend.span().status.status_code
    assert [(1, 3, SERVER)] == backend.recorded("connect.duration")


async def test_metrics_count(nursery: trio.Nursery, autojump_clock: Clock, backend: Backend) -> None:
    """Messages, bytes and control frames have a direction; times are in seconds."""
    keeper = Keeper(then=frame(PING) + frame(TEXT, "1") + frame(TEXT, "2"))
    settings = {"instruments": (backend.instrument,), "receive_buffer": (1, 1000)}
    async with Network(keeper, nursery).websocket(**settings) as ws:
        await ws.connect(URL)
        await trio.sleep(2)
        assert {(): 1} == backend.sums("open_connections")
        await ws.receive()
        await ws.ping()
        await ws.send("hello")
        await trio.sleep(5)
        await ws.close()

    assert {("receive",): 2, ("transmit",): 1} == backend.sums("messages")
    received, sent = 2 + 3 + 3 + 6 + 4, 6 + 10 + 11 + 8
    assert {("receive",): received, ("transmit",): sent} == backend.sums("io")
    assert {
        ("receive", "ping"): 1,
        ("receive", "pong"): 1,
        ("receive", "close"): 1,
        ("transmit", "ping"): 1,
        ("transmit", "pong"): 1,
        ("transmit", "close"): 1,
    } == backend.sums("control_frames")
    assert {(): 0} == backend.sums("open_connections")
    assert {(): 2} == backend.sums("parked.time")
    assert [(1, 0, SERVER)] == backend.recorded("round_trip.duration")
    assert [(1, 0, SERVER)] == backend.recorded("connect.duration")
    assert [(1, 7, SERVER)] == backend.recorded("connection.duration")
    units = {name: metric.unit for name, metric in backend.metrics().items()}
    assert {
        "open_connections": "{connection}",
        "connect.duration": "s",
        "connection.duration": "s",
        "messages": "{message}",
        "io": "By",
        "control_frames": "{frame}",
        "round_trip.duration": "s",
        "parked.time": "s",
    } == units


async def test_a_broken_link_is_an_error(
    nursery: trio.Nursery, autojump_clock: Clock, backend: Backend
) -> None:
    """Span and duration say what broke it."""
    settings = {"instruments": (backend.instrument,), "ping_interval": 10, "ping_timeout": 5}
    async with Network(Keeper(answers=False), nursery).websocket(**settings) as ws:
        await ws.connect(URL)
        await ws.wait_closed()

    span = backend.span()
    assert span.attributes is not None
    assert ("TimeoutError", 1006) == (
        span.attributes["error.type"],
        span.attributes["websocket.close.code"],
    )
    assert (StatusCode.ERROR, "closed by link with 1006") == (
        span.status.status_code,
        span.status.description,
    )
    assert [(1, 15, {**SERVER, "error.type": "TimeoutError"})] == backend.recorded("connection.duration")


async def test_one_instrument_serves_many_sockets(nursery: trio.Nursery, backend: Backend) -> None:
    """Each connection has its own span, and all are counted together."""
    network = Network(polite, nursery)
    for _ in range(3):
        async with network.websocket(instruments=(backend.instrument,)) as ws:
            await ws.connect(URL)

    assert 3 == len({str(span.get_span_context()) for span in backend.spans()})
    ((count, _, _),) = backend.recorded("connection.duration")
    assert 3 == count


async def test_without_a_provider_nothing_happens(nursery: trio.Nursery) -> None:
    """A program that has not set OpenTelemetry up connects as ever."""
    async with Network(polite, nursery).websocket(instruments=(OpenTelemetryInstrument(),)) as ws:
        assert await ws.connect(URL)
        assert await ws.close()
