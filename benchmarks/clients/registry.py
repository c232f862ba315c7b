"""Every client by the name that the command line, the table and the JSON use."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from benchmarks.workloads import Task

from .client import Client


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a client is found."""

    title: str
    package: str
    """Its distribution, for the version in the report."""
    address: str
    """Module and attribute of its `Client`, imported in the client's own process only."""
    cannot: frozenset[str] = frozenset()
    """The kinds and layers of tasks that it is not measured with."""

    def can(self, task: Task) -> bool:
        """Whether it is measured with a task; crowds are compared with our own figure alone."""
        return not self.cannot & {task.kind, task.layer} and task.connections == 1

    def load(self) -> Client:
        """Import it; ImportError where its package is not installed."""
        module, attribute = self.address.split(":")
        client = getattr(import_module(f"{__package__}.{module}"), attribute)
        assert isinstance(client, Client)
        return client


OURS = "ours"
FLOOR = "floor"
"""No client: a ruler, and not one of the peers."""
DEFLATE = frozenset({"deflate"})

CLIENTS = {
    OURS: Entry("trio_ohws", "trio-ohws", "ours:CLIENT"),
    FLOOR: Entry("Trio alone", "trio", "floor:CLIENT"),
    "trio-websocket": Entry("trio-websocket", "trio-websocket", "trio_websocket:CLIENT", DEFLATE),
    "websockets-trio": Entry("websockets.trio", "websockets", "websockets_trio:CLIENT"),
    "websockets-asyncio": Entry("websockets", "websockets", "websockets_asyncio:ON_ASYNCIO"),
    "websockets-uvloop": Entry("websockets + uvloop", "websockets", "websockets_asyncio:ON_UVLOOP"),
    "aiohttp-asyncio": Entry("aiohttp", "aiohttp", "aiohttp:ON_ASYNCIO"),
    "aiohttp-uvloop": Entry("aiohttp + uvloop", "aiohttp", "aiohttp:ON_UVLOOP"),
    "picows": Entry("picows + uvloop", "picows", "picows:CLIENT", DEFLATE),
    "picows-websockets": Entry("picows.websockets + uvloop", "picows", "picows_websockets:CLIENT"),
    "httpx-ws": Entry("httpx-ws (trio)", "httpx-ws", "httpx_ws:CLIENT", DEFLATE | {"idle"}),
}
"""In the order of the table's columns."""

LIBRARIES = ("trio", "uvloop", "websockets", "wsproto", "aiofastnet")
"""Packages beside the clients' own whose versions a reader needs."""
