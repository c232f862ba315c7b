"""The one server that every client is measured against: picows on uvloop, on a core of its own.

It listens on two ports, the second one with TLS. It must not be what is measured, so a flood consists of
frames built beforehand and written a quarter of a mebibyte at a time, past picows and straight to the
transport, as long as the transport's buffer has room.

| path | what it does |
| --- | --- |
| `/flood?n=&size=&kind=text|binary&deflate=` | after the client's first message, sends n of `size` bytes |
| `/sink?n=&deflate=` | reads n messages, then answers with one text message |
| `/echo` | sends each message back |

With `deflate=1` permessage-deflate is negotiated: a flood's frames are compressed, each by itself; what a
sink gets is counted and not inflated.

It prints both ports, 0 for none, and ends when its standard input does: no server outlives the run that
started it.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import sys
import zlib
from urllib.parse import parse_qsl, urlsplit

import picows
import uvloop

from .machine import pin_to
from .workloads import sample

CHUNK_BYTES = 256 * 1024
READ_BUFFER_BYTES = 256 * 1024
BACKLOG = 1024
HANDSHAKE_TIMEOUT_S = 60
"""For a client with ten thousand connections, whose garbage collector takes seconds."""
DEFLATE = "permessage-deflate; server_no_context_takeover"


def unmasked_frame(payload: bytes, *, text: bool, deflate: bool) -> bytes:
    """One whole message as a server sends it (RFC 6455 section 5.2, RFC 7692 section 7.2.1)."""
    first = bytes([0x80 | 0x40 * deflate | (1 if text else 2)])
    if deflate:
        compressor = zlib.compressobj(wbits=-15)
        payload = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
        payload = payload.removesuffix(b"\x00\x00\xff\xff")
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

    def __init__(self, n: int, size: int, *, text: bool, deflate: bool) -> None:
        self.left = n
        self.frame = unmasked_frame(sample(size).encode(), text=text, deflate=deflate)
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


def route(request: picows.WSUpgradeRequest) -> picows.WSUpgradeResponseWithListener | None:
    """The listener of a path, and what is negotiated; None is a 404."""
    listener = listener_of(request)
    if listener is None:
        return None
    deflate = b"deflate=1" in request.path
    headers = (
        {"Sec-WebSocket-Extensions": "permessage-deflate; server_no_context_takeover"} if deflate else {}
    )
    response = picows.WSUpgradeResponse.create_101_response(headers)
    return picows.WSUpgradeResponseWithListener(response, listener)


def listener_of(request: picows.WSUpgradeRequest) -> picows.WSListener | None:
    address = urlsplit(request.path.decode())
    query = dict(parse_qsl(address.query))
    if address.path == "/flood":
        text, deflate = query["kind"] == "text", query.get("deflate") == "1"
        return Flood(int(query["n"]), int(query["size"]), text=text, deflate=deflate)
    if address.path == "/sink":
        return Sink(int(query["n"]))
    if address.path == "/echo":
        return Echo()
    return None


async def listen(address: str, port: int = 0, context: ssl.SSLContext | None = None) -> int:
    """Listen on a port, a free one if it is 0, and return it."""
    server = await picows.ws_create_server(
        route,
        address,
        port,
        websocket_handshake_timeout=HANDSHAKE_TIMEOUT_S,
        read_buffer_init_size=READ_BUFFER_BYTES,
        backlog=BACKLOG,
        ssl=context,
    )
    chosen: int = server.sockets[0].getsockname()[1]
    return chosen


async def serve(addresses: int, certificate: str | None) -> None:
    """Serve on a free port of 127.0.0.1, and of the addresses above it, until standard input ends."""
    port = tls_port = 0
    for number in range(1, addresses + 1):
        port = await listen(f"127.0.0.{number}", port)
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        tls_port = await listen("127.0.0.1", 0, context)
    print(port, tls_port, flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__.splitlines()[0])
    parser.add_argument("--core", type=int, help="the core to stay on")
    parser.add_argument("--addresses", type=int, default=1, help="how many of 127.0.0.1, 127.0.0.2, ...")
    parser.add_argument(
        "--certificate", help="a PEM file with the chain and its key, for TLS on a second port"
    )
    arguments = parser.parse_args()
    pin_to(arguments.core)
    uvloop.run(serve(arguments.addresses, arguments.certificate))


if __name__ == "__main__":
    main()
