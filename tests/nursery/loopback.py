"""Real TCP over loopback, for what memory streams cannot show: partial writes, half-close, resets."""

import socket
import struct
from collections.abc import Awaitable, Callable
from functools import partial

import trio
import trio.testing

from tests.scripted_peer import Network, Peer
from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.url import WebSocketURL

__all__ = ["TcpNetwork", "open_tcp_pair", "reset", "serve"]


async def open_tcp_pair(buffer: int | None = None) -> tuple[trio.SocketStream, trio.SocketStream]:
    """Return both ends of a connection; `buffer` bytes is what the kernel is asked to hold at each end."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        if buffer is not None:
            listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        ours = await trio.testing.open_stream_to_socket_listener(listener)
        if buffer is not None:
            ours.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        theirs = await listener.accept()
    return ours, theirs


def reset(stream: trio.SocketStream) -> None:
    """Drop the connection, so that the other end sees ECONNRESET."""
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


class TcpNetwork(Network):
    """A `Network` whose connections are TCP, so that the plain-socket transport is below the session."""

    async def dial(self, url: WebSocketURL, options: WebSocketRequestOptions) -> trio.abc.Stream:
        """Open a connection."""
        ours, theirs = await open_tcp_pair()
        peer = Peer(theirs)
        self.peers.append(peer)
        self.nursery.start_soon(self._serve, peer)
        return ours

    async def _serve(self, peer: Peer) -> None:
        try:
            await self.script(peer)
        finally:
            await trio.aclose_forcefully(peer.stream)


async def serve(script: Callable[[Peer], Awaitable[object]], nursery: trio.Nursery) -> str:
    """Serve each connection by `script`, close it then, and return the server's URL, for the real dialler."""

    async def handle(stream: trio.SocketStream) -> None:
        try:
            await script(Peer(stream))
        finally:
            await trio.aclose_forcefully(stream)

    (listener,) = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
    return f"ws://127.0.0.1:{listener.socket.getsockname()[1]}/"
