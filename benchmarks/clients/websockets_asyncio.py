"""websockets on asyncio, and on uvloop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import connect

from .client import Client, Job
from .loops import on_asyncio, on_uvloop
from .pulling import Link, works


@asynccontextmanager
async def open_link(job: Job) -> AsyncIterator[Link]:
    async with connect(job.url, ssl=job.tls, compression="deflate" if job.deflate else None) as ws:
        yield Link(ws.send, ws.recv)


ON_ASYNCIO = Client(on_asyncio, works(open_link))
ON_UVLOOP = Client(on_uvloop, works(open_link))
