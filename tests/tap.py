"""A stream that keeps what was written, and a network of them."""

from collections.abc import Awaitable, Callable
from typing import Any

import trio
import trio.testing

from tests.scripted_peer import Frame, Network, Peer, parse_frames
from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.url import WebSocketURL


class Tap(trio.abc.Stream):
    """Passes everything on, until it is told to misbehave.

    Args:
        stream: what is tapped.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.written = b""
        self.closed = False
        self.write_error: Exception | None = None  # what writes raise from now on
        self.stuck = False  # writes wait for ever from now on
        self._reset: trio.CancelScope | None = None
        self._is_reset = False

    def reset(self) -> None:
        """Let the read that waits fail, and all later ones, as after a TCP reset."""
        self._is_reset = True
        if self._reset is not None:
            self._reset.cancel()

    def frames(self) -> list[Frame]:
        """Return the frames that were written after the request; there must be nothing but whole frames."""
        frames, rest = parse_frames(self.written.partition(b"\r\n\r\n")[2])
        assert not rest, "torn"
        return frames

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write."""
        if self.write_error is not None:
            raise self.write_error
        if self.stuck:
            await trio.sleep_forever()
        self.written += data
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Pass on."""
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Read, or fail."""
        if not self._is_reset:
            with trio.CancelScope() as self._reset:
                return await self.stream.receive_some(max_bytes)
        raise trio.BrokenResourceError("reset") from ConnectionResetError()

    async def aclose(self) -> None:
        """Close."""
        self.closed = True
        await self.stream.aclose()


class TappedNetwork(Network):
    """As `Network`; the client's end of each connection is a `Tap`, and a cancelled `dial` opened nothing.

    Args:
        script: the server's part, run in `nursery` for each connection.
        nursery: where it runs.
        lockstep: whether a write waits until the other side has read it all.
    """

    def __init__(
        self, script: Callable[[Peer], Awaitable[Any]], nursery: trio.Nursery, *, lockstep: bool = False
    ) -> None:
        super().__init__(script, nursery)
        self.lockstep = lockstep
        self.taps: list[Tap] = []

    async def dial(self, url: WebSocketURL, options: WebSocketRequestOptions) -> trio.abc.Stream:
        """Open a connection."""
        await trio.lowlevel.checkpoint()
        pair = trio.testing.lockstep_stream_pair if self.lockstep else trio.testing.memory_stream_pair
        ours, theirs = pair()
        self.taps.append(Tap(ours))
        self.peers.append(Peer(theirs))
        self.nursery.start_soon(self.script, self.peers[-1])
        return self.taps[-1]
