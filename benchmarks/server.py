"""The one server that every client is measured against: picows on uvloop, on a core of its own.

It must not be what is measured, so a flood consists of frames built beforehand and written a quarter of a
mebibyte at a time, past picows and straight to the transport, as long as the transport's buffer has room.

| path | what it does |
| --- | --- |
| `/flood?n=&size=&kind=text|binary` | after the client's first message, sends n messages of `size` bytes |
| `/sink?n=` | reads n messages, then answers with one text message |
| `/echo` | sends each message back |

It prints its port, and ends when its standard input does: no server outlives the run that started it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from urllib.parse import parse_qsl, urlsplit

import picows
import uvloop

from .machine import pin_to

CHUNK_BYTES = 256 * 1024
READ_BUFFER_BYTES = 256 * 1024
BACKLOG = 1024
HANDSHAKE_TIMEOUT_S = 60
"""For a client with ten thousand connections, whose garbage collector takes seconds."""


def unmasked_frame(payload: bytes, *, text: bool) -> bytes:
    """One whole message as a server sends it (RFC 6455 section 5.2)."""
    first = b"\x81" if text else b"\x82"
    size = len(payload)
    if size < 126:
        return first + size.to_bytes(1, "big") + payload
    if size < 1 << 16:
        return first + b"\x7e" + size.to_bytes(2, "big") + payload
    return first + b"\x7f" + size.to_bytes(8, "big") + payload


class Listener(picows.WSListener):
    """What all paths share: the answer to a Close frame."""

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        else:
            self.on_message(transport, frame)

    def on_message(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        raise NotImplementedError


class Flood(Listener):
    """Sends its messages once the client has said that it is ready."""

    def __init__(self, n: int, size: int, *, text: bool) -> None:
        self.left = n
        self.frame = unmasked_frame(b"x" * size, text=text)
        self.frames_per_chunk = max(1, CHUNK_BYTES // len(self.frame))
        self.chunk = self.frame * self.frames_per_chunk
        self.transport: asyncio.Transport | None = None
        self.paused = False

    def on_message(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        self.transport = transport.underlying_transport
        self.write()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.write()

    def write(self) -> None:
        """Write until the transport's buffer is full; resume_writing comes back here."""
        while self.transport is not None and self.left and not self.paused:
            if self.left >= self.frames_per_chunk:
                self.left -= self.frames_per_chunk
                self.transport.write(self.chunk)
            else:
                rest, self.left = self.left, 0
                self.transport.write(self.frame * rest)


class Sink(Listener):
    """Counts messages and says so at the end."""

    def __init__(self, n: int) -> None:
        self.left = n

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        # Looks at the frame's type only once all messages are in: this is where a slow server would show.
        self.left -= 1
        if self.left == 0:
            transport.send(picows.WSMsgType.TEXT, b"done")
        elif self.left < 0:
            super().on_ws_frame(transport, frame)


class Echo(Listener):
    """Sends each message back as it came."""

    def on_message(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        transport.send(frame.msg_type, frame.get_payload_as_bytes())


def route(request: picows.WSUpgradeRequest) -> picows.WSListener | None:
    """The listener of a path; None is a 404."""
    address = urlsplit(request.path.decode())
    query = dict(parse_qsl(address.query))
    if address.path == "/flood":
        return Flood(int(query["n"]), int(query["size"]), text=query["kind"] == "text")
    if address.path == "/sink":
        return Sink(int(query["n"]))
    if address.path == "/echo":
        return Echo()
    return None


async def serve(addresses: int) -> None:
    """Serve on a free port of 127.0.0.1, and of the addresses above it, until standard input ends."""
    port = 0
    for number in range(1, addresses + 1):
        server = await picows.ws_create_server(
            route,
            f"127.0.0.{number}",
            port,
            websocket_handshake_timeout=HANDSHAKE_TIMEOUT_S,
            read_buffer_init_size=READ_BUFFER_BYTES,
            backlog=BACKLOG,
        )
        port = server.sockets[0].getsockname()[1]
    print(port, flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__.splitlines()[0])
    parser.add_argument("--core", type=int, help="the core to stay on")
    parser.add_argument("--addresses", type=int, default=1, help="how many of 127.0.0.1, 127.0.0.2, ...")
    arguments = parser.parse_args()
    pin_to(arguments.core)
    uvloop.run(serve(arguments.addresses))


if __name__ == "__main__":
    main()
