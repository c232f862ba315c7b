"""A scripted server at the other end of a memory stream, or of any stream.

It speaks bytes, so that a test can say exactly what arrives, and see exactly what was sent. It has a codec
of its own, a few lines long, so that mistakes of ours are not mirrored.
"""

import base64
import hashlib
import struct
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

import trio
import trio.testing

from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.settings import Settings
from trio_ohws.url import WebSocketURL
from trio_ohws.websocket import WebSocket

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

URL = "ws://example.test/chat"


class Frame(NamedTuple):
    """A frame as the client sent it, unmasked."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv1: bool = False


def frame(opcode: int, payload: bytes | str = b"", *, fin: bool = True) -> bytes:
    """Return a server's frame."""
    data = payload.encode() if isinstance(payload, str) else payload
    size = len(data)
    first = (0x80 if fin else 0) | opcode
    if size < 126:
        return bytes((first, size)) + data
    if size < 65536:
        return struct.pack("!BBH", first, 126, size) + data
    return struct.pack("!BBQ", first, 127, size) + data


def close_frame(code: int | None = 1000, reason: str = "") -> bytes:
    """Return a server's Close frame; an empty one for None."""
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason.encode())


def parse_frames(data: bytes) -> tuple[list[Frame], bytes]:
    """Return the client's whole frames, unmasked, and the rest. Every frame must be masked."""
    frames = []
    while len(data) >= 2:
        size, start = data[1] & 0x7F, 2
        assert data[1] & 0x80, "a client's frame must be masked"
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10], "big"), 10
        end = start + 4 + size
        if len(data) < end:
            break
        mask = data[start : start + 4]
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data[start + 4 : end]))
        frames.append(Frame(data[0] & 0x0F, payload, bool(data[0] & 0x80), bool(data[0] & 0x40)))
        data = data[end:]
    return frames, data


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
        key = next(
            line.split(b":", 1)[1].strip()
            for line in self.request.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key:")
        )
        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
        accept = base64.b64encode(digest).decode()
        lines = [
            f"HTTP/1.1 {status}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept}",
            *(f"{name}: {value}" for name, value in headers),
        ]
        return "\r\n".join([*lines, "", ""]).encode()

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
    while (one := await peer.receive()) is not None:
        await peer.send(frame(one.opcode if one.opcode != PING else PONG, one.payload))
        if one.opcode == CLOSE:
            break
    await peer.stream.aclose()
