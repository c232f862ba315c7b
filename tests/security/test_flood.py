"""A server that floods us and reads nothing fills its own buffers, not ours."""

import pytest
import trio
import trio.testing

from tests.scripted_peer import PING, URL, Peer, frame
from trio_ohws import WebSocket
from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.settings import Settings
from trio_ohws.url import WebSocketURL

CHUNK = 4096
SEND_BUFFER = 16384


@pytest.mark.parametrize("payload", [b"", b"x" * 125])
async def test_pings_of_a_server_that_reads_no_pong(
    payload: bytes, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The pongs that wait stay within send_buffer and what one read may add; then nothing more is read."""
    sent = 0

    async def flood(peer: Peer) -> None:
        nonlocal sent
        await peer.accept()
        pings = frame(PING, payload) * (CHUNK // len(frame(PING, payload)))
        while sent < 100 * CHUNK:
            await peer.send(pings)
            sent += len(pings)

    async def dial(url: WebSocketURL, options: WebSocketRequestOptions) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        ours, theirs = trio.testing.lockstep_stream_pair()
        nursery.start_soon(flood, Peer(theirs))
        return ours

    async with WebSocket(Settings(send_buffer=SEND_BUFFER), dial=dial) as ws:
        await ws.connect(URL)
        await trio.testing.wait_all_tasks_blocked()

        assert SEND_BUFFER <= ws.statistics().send_queue < SEND_BUFFER + 4 * CHUNK
        assert sent < 10 * CHUNK
