"""Every client by the name that the command line, the table and the JSON use."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from .client import Client


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a client is found."""

    title: str
    package: str
    """Its distribution, for the version in the report."""
    address: str
    """Module and attribute of its `Client`, imported in the client's own process only."""

    def load(self) -> Client:
        """Import it; ImportError where its package is not installed."""
        module, attribute = self.address.split(":")
        client = getattr(import_module(f"{__package__}.{module}"), attribute)
        assert isinstance(client, Client)
        return client


OURS = "ours"

CLIENTS = {
    OURS: Entry("trio_ohws", "trio-ohws", "ours:CLIENT"),
    "trio-websocket": Entry("trio-websocket", "trio-websocket", "trio_websocket:CLIENT"),
    "websockets-trio": Entry("websockets.trio", "websockets", "websockets_trio:CLIENT"),
    "websockets-asyncio": Entry("websockets", "websockets", "websockets_asyncio:ON_ASYNCIO"),
    "websockets-uvloop": Entry("websockets + uvloop", "websockets", "websockets_asyncio:ON_UVLOOP"),
    "aiohttp-asyncio": Entry("aiohttp", "aiohttp", "aiohttp:ON_ASYNCIO"),
    "aiohttp-uvloop": Entry("aiohttp + uvloop", "aiohttp", "aiohttp:ON_UVLOOP"),
    "picows": Entry("picows + uvloop", "picows", "picows:CLIENT"),
    "picows-websockets": Entry("picows.websockets + uvloop", "picows", "picows_websockets:CLIENT"),
    "httpx-ws": Entry("httpx-ws (trio)", "httpx-ws", "httpx_ws:CLIENT"),
}
"""In the order of the table's columns."""

LIBRARIES = ("trio", "uvloop", "websockets", "wsproto", "aiofastnet")
"""Packages beside the clients' own whose versions a reader needs."""
