"""What a server has sent does not outlive its connection, in a socket that the program keeps."""

import gc
import struct
import tracemalloc

import pytest
import trio

from tests.scripted_peer import BINARY, TEXT, URL, Network, Peer, frame
from trio_ohws._wire.frames import RSV1

MIB = 1 << 20
ANNOUNCED = struct.pack("!BBQ", 0x80 | BINARY, 127, 4 * MIB)
VIOLATION = frame(15)


@pytest.mark.parametrize(
    ("said", "end"),
    [
        pytest.param(ANNOUNCED + bytes(MIB), b"", id="a frame that is not all there"),
        pytest.param(frame(BINARY, bytes(MIB), fin=False), b"", id="fragments without an end"),
        pytest.param(frame(TEXT, b"x" * MIB, fin=False), b"", id="text without an end"),
        pytest.param(frame(TEXT | RSV1, b"\0\xff\xff\0\0" + b"x" * 65535, fin=False), b"", id="compressed"),
        pytest.param(frame(BINARY, bytes(200_000)), VIOLATION, id="what came before a violation"),
        pytest.param(b"", VIOLATION + bytes(200_000), id="what came behind a violation"),
    ],
)
async def test_nothing_remains_of_a_connection(said: bytes, end: bytes, nursery: trio.Nursery) -> None:
    """Once it has ended, neither an unfinished message is kept nor what came with the fault."""
    wires = [b"", said + end]
    kept: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.accept([("Sec-WebSocket-Extensions", "permessage-deflate")], then=wires[len(kept)])
        await peer.stream.aclose()

    tracemalloc.start()
    try:
        async with Network(script, nursery).websocket(compression="deflate", receive_buffer=None) as ws:
            for _ in wires:
                await ws.connect(URL)
                await ws.wait_closed()
                gc.collect()
                kept.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    nothing, attacked = kept

    assert attacked - nothing < 100_000
