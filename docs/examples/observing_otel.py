"""Send spans of connections to OpenTelemetry; here, to a list."""

import trio
import trio.testing
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import trio_ohws
from trio_ohws.instruments.opentelemetry import OpenTelemetryInstrument
from trio_ohws.testing import MemoryPeer, open_memory_network

exporter = InMemorySpanExporter()  # yours sends them somewhere
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)

INSTRUMENTS = (OpenTelemetryInstrument(),)  # one for the program


async def answer(peer: MemoryPeer) -> None:
    """Play the server."""
    await peer.accept()
    await peer.expect("What is the price?")
    await peer.send("42")
    await peer.close(1011, "out of prices")


async def main() -> None:
    """Ask for the price, as a part of a larger operation."""
    async with open_memory_network() as network:
        network.serve(answer, host="example.org")
        with trace.get_tracer("shop").start_as_current_span("offer"):
            async with trio_ohws.open_websocket("wss://example.org/", instruments=INSTRUMENTS) as ws:
                await ws.send("What is the price?")
                print(await ws.receive())
                await ws.wait_closed()

    for span in exporter.get_finished_spans():
        print(f"{span.name}: {span.status.description or span.status.status_code.name}")
        for name, value in sorted(span.attributes.items()):
            print(f"    {name}: {value}")


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

# Output:
# 42
# websocket connection: closed by peer with 1011
#     error.type: 1011
#     http.response.status_code: 101
#     network.protocol.name: websocket
#     server.address: example.org
#     server.port: 443
#     url.scheme: wss
#     websocket.close.code: 1011
# offer: UNSET
