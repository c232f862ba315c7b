"""A network of servers, each of which serves one connection, and a socket that reconnects through it."""

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from tests.scripted_peer import CLOSE, TEXT, URL, Frame, Peer, close_frame, frame
from tests.tap import TappedNetwork
from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.reconnect import Backoff, ReconnectingWebSocket
from trio_ohws.reconnect.plan import Plan
from trio_ohws.settings import Settings
from trio_ohws.url import WebSocketURL

Script = Callable[[Peer], Awaitable[object]]

WHOLE = Backoff(first=1, longest=60, jitter=lambda: 1)
"""Waits that a test can tell beforehand: 1, 2, 4 ... 60 s."""


class Servers(TappedNetwork):
    """Serves the n-th connection by the n-th script, and all after the last by that.

    Args:
        nursery: where they run.
        scripts: the servers; None for one that cannot be reached.
    """

    def __init__(self, nursery: trio.Nursery, *scripts: Script | None) -> None:
        super().__init__(self._serve, nursery)
        self.scripts = scripts
        self.dialled: list[float] = []  # when, since the beginning
        self.urls: list[str] = []
        self._began = trio.current_time()

    async def dial(self, url: WebSocketURL, options: WebSocketRequestOptions) -> trio.abc.Stream:
        """Open a connection, if the server is there."""
        await trio.lowlevel.checkpoint()
        self.urls.append(str(url))
        self.dialled.append(trio.current_time() - self._began)
        if self._script() is None:
            raise ConnectionRefusedError("nobody listens")
        return await super().dial(url, options)

    def _script(self) -> Script | None:
        return self.scripts[min(len(self.dialled), len(self.scripts)) - 1]

    async def _serve(self, peer: Peer) -> None:
        script = self._script()
        assert script is not None
        try:
            await script(peer)
        except (AssertionError, trio.BrokenResourceError):  # clients vanish, even before they asked
            await peer.stream.aclose()

    def socket(self, plan: dict[str, Any] | None = None, **settings: Any) -> ReconnectingWebSocket:
        """Make a socket that reconnects through this network; `plan` as for open_reconnecting."""
        whole: dict[str, Any] = {"url": URL, "backoff": WHOLE, **(plan or {})}
        return ReconnectingWebSocket(Plan(**whole), Settings(**settings), dial=self.dial)


def sends(*texts: str, then: bytes | None = None, after: float = 0) -> Script:
    """Return a server that accepts, sends messages, then after some seconds its Close, or without one EOF."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        await peer.send(*(frame(TEXT, text) for text in texts))
        await trio.sleep(after)
        if then is not None:
            await peer.send(then)
            while (one := await peer.receive()) is not None and one.opcode != CLOSE:
                pass
        await peer.stream.aclose()

    return serve


def answers(status: str, *headers: str) -> Script:
    """Return a server that refuses."""

    async def serve(peer: Peer) -> None:
        await peer.read_request()
        await peer.send("\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode())

    return serve


def goodbye(*texts: str, code: int = 1000) -> Script:
    """Return a server that accepts, sends messages and closes, with a code."""
    return sends(*texts, then=close_frame(code))


async def mute(peer: Peer) -> None:
    """A server that accepts the stream, and never answers."""
    await peer.read_request()
    await peer.receive_all()


def texts(frames: list[Frame]) -> list[str]:
    """Return the text messages among the frames that a client sent."""
    return [one.payload.decode() for one in frames if one.opcode == TEXT]
