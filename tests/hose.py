"""A server that makes its bytes while they are read: a gigabyte of them costs no memory, and no socket."""

from collections.abc import Iterable
from typing import Any

import trio

from tests.scripted_peer import Peer, close_frame
from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.settings import Settings
from trio_ohws.url import WebSocketURL
from trio_ohws.websocket import WebSocket


class Hose(trio.abc.Stream):
    """The client's end of a connection, and all that is behind it. It answers our Close, and no ping.

    Args:
        pieces: what the server sends after its answer, whole frames in each; none is made before it is read.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.given = 0  # bytes of the pieces that were read
        self.stuck = False  # writes wait for ever from now on
        self._peer = Peer(self)
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")
        self._answered = trio.Event()
        self._closed = trio.Event()

    def websocket(self, **settings: Any) -> WebSocket:
        """Make a socket that connects to this server."""
        return WebSocket(Settings(**settings), dial=self._dial)

    async def _dial(self, url: WebSocketURL, options: WebSocketRequestOptions) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return self

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Answer the request, and a Close, which is the last that a client writes."""
        await trio.lowlevel.checkpoint()
        if self.stuck:
            await trio.sleep_forever()
        if not self._answered.is_set():
            self._peer.request = bytes(data)
            self._rest = memoryview(self._peer.answer())
            self.given = -len(self._rest)
            self._answered.set()
        if bytes(data[-8:-6]) == b"\x88\x82":  # a masked Close with a code
            self._pieces = iter([close_frame()])
            self._closed.set()

    async def wait_send_all_might_not_block(self) -> None:
        """There is always room."""
        await trio.lowlevel.checkpoint()

    def read_now(self, size: int) -> bytes:
        """Return so many bytes, without waiting."""
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest = memoryview(bytes(self._rest) + piece)
        data = bytes(self._rest[:size])
        self._rest = self._rest[size:]
        self.given += len(data)
        return data

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return as much of a piece as is asked for."""
        await trio.lowlevel.checkpoint()
        if not self._answered.is_set():
            await self._answered.wait()
        if not self._rest:
            piece = next(self._pieces, b"")
            if not piece and not self._closed.is_set():
                await self._closed.wait()
                piece = next(self._pieces, b"")
            self._rest = memoryview(piece)
        data = bytes(self._rest[:max_bytes])
        self._rest = self._rest[len(data) :]
        self.given += len(data)
        return data

    async def aclose(self) -> None:
        """Do nothing: nothing is open."""
        await trio.lowlevel.checkpoint()
