"""A scripted server at the other end of any stream, for what happens below a socket.

It speaks bytes, so that a test can say exactly what arrives, and see exactly what was sent. A test that only
talks to a server has a better one in `trio_ohws.testing`, whose codec this is.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import trio
import trio.testing

from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.settings import Settings
from trio_ohws.testing.frames import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    Frame,
    close_frame,
    frame,
    parse_frames,
)
from trio_ohws.testing.handshake import accepting_head, parse_request
from trio_ohws.url import WebSocketURL
from trio_ohws.websocket import WebSocket

__all__ = [
    "BINARY",
    "CLOSE",
    "CONT",
    "PING",
    "PONG",
    "TEXT",
    "URL",
    "Frame",
    "Network",
    "Peer",
    "close_frame",
    "echo",
    "frame",
    "parse_frames",
    "polite",
]

URL = "ws://example.test/chat"


class Peer:
    """The server's end of one connection."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.request = b""
        self._received = b""

    async def read_request(self) -> bytes:
        """Return the request head."""
        while b"\r\n\r\n" not in self._received:
            data = await self.stream.receive_some(65536)
            assert data, "EOF before the request was complete"
            self._received += data
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        self.request = head
        return head

    def answer(
        self, headers: Iterable[tuple[str, str]] = (), *, status: str = "101 Switching Protocols"
    ) -> bytes:
        """Return the response head that accepts the request that was read."""
        return accepting_head(parse_request(self.request), headers, status)

    async def accept(self, headers: Iterable[tuple[str, str]] = (), *, then: bytes = b"") -> None:
        """Read the request and upgrade; `then` goes out together with the answer."""
        await self.read_request()
        await self.stream.send_all(self.answer(headers) + then)

    async def send(self, *frames: bytes) -> None:
        """Send raw bytes."""
        await self.stream.send_all(b"".join(frames))

    async def receive(self) -> Frame | None:
        """Return the client's next frame, or None at EOF."""
        while True:
            frames, _ = parse_frames(self._received)
            if frames:
                first = frames[0]
                size = len(first.payload)
                header = 2 + (0 if size < 126 else 2 if size < 65536 else 8) + 4
                self._received = self._received[header + size :]
                return first
            data = await self.stream.receive_some(65536)
            if not data:
                assert not self._received, "EOF inside a frame: torn"
                return None
            self._received += data

    async def receive_all(self) -> list[Frame]:
        """Return the client's frames up to EOF."""
        frames = []
        while (one := await self.receive()) is not None:
            frames.append(one)
        return frames

    async def close(self, code: int | None = 1000, reason: str = "") -> Frame | None:
        """Send Close, wait for the echo, and end the stream."""
        await self.send(close_frame(code, reason))
        echo = await self.receive()
        await self.stream.aclose()
        return echo

    async def serve_politely(self) -> list[Frame]:
        """Collect frames until the client's Close, answer that, end the stream; return all frames."""
        frames = []
        while (one := await self.receive()) is not None:
            frames.append(one)
            if one.opcode == CLOSE:
                await self.send(frame(CLOSE, one.payload))
                break
            if one.opcode == PING:
                await self.send(frame(PONG, one.payload))
        await self.stream.aclose()
        return frames

    async def serve_echo(self) -> None:
        """Send back every message and answer pings until the client's Close, answer that, end the stream."""
        while (one := await self.receive()) is not None:
            await self.send(frame(one.opcode if one.opcode != PING else PONG, one.payload))
            if one.opcode == CLOSE:
                break
        await self.stream.aclose()


class Network:
    """A `dial` for `WebSocket`: each call makes a memory stream and hands the other end to `script`.

    Args:
        script: the server's part, run in `nursery` for each connection.
        nursery: where it runs.
    """

    def __init__(self, script: Callable[[Peer], Awaitable[Any]], nursery: trio.Nursery) -> None:
        self.script = script
        self.nursery = nursery
        self.peers: list[Peer] = []
        self.streams: list[trio.abc.Stream] = []

    async def dial(self, url: WebSocketURL, options: WebSocketRequestOptions) -> trio.abc.Stream:
        """Open a connection."""
        await trio.lowlevel.checkpoint()  # first: a cancelled dial must leave nothing behind
        ours, theirs = trio.testing.memory_stream_pair()
        peer = Peer(theirs)
        self.peers.append(peer)
        self.streams.append(ours)
        self.nursery.start_soon(self.script, peer)
        return ours

    def websocket(self, **settings: Any) -> WebSocket:
        """Make a socket that connects through this network."""
        return WebSocket(Settings(**settings), dial=self.dial)


async def polite(peer: Peer) -> None:
    """A server that accepts, and closes when the client does."""
    await peer.accept()
    await peer.serve_politely()


async def echo(peer: Peer) -> None:
    """A server that sends back every message."""
    await peer.accept()
    await peer.serve_echo()
