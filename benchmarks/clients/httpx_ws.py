"""httpx-ws on Trio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from httpx import AsyncClient  # noqa: ASYNC127  # what httpx-ws is built on
from httpx_ws import AsyncWebSocketSession, aconnect_ws

from .client import Client, Job
from .loops import on_trio
from .pulling import Link, works


def trust(job: Job) -> dict[str, Any]:
    """What httpx is to trust."""
    return {} if job.tls is None else {"verify": job.tls}


@asynccontextmanager
async def open_link(job: Job) -> AsyncIterator[Link]:
    ws: AsyncWebSocketSession
    async with AsyncClient(**trust(job)) as client, aconnect_ws(job.url, client) as ws:
        yield Link(ws.send_text if isinstance(job.payload, str) else ws.send_bytes, ws.receive)


async def connect(job: Job) -> None:
    """One client for all connections, as httpx's users have it."""
    async with AsyncClient() as client:
        job.watch.start()
        for _ in range(job.count):
            async with aconnect_ws(job.url, client):
                pass
        job.watch.stop()


CLIENT = Client(on_trio, {**works(open_link), "connect": connect})
