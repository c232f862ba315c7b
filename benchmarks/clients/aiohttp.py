"""aiohttp on asyncio, and on uvloop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession

from .client import Client, Job, Work
from .loops import on_asyncio, on_uvloop
from .pulling import Link, works


def options(job: Job) -> dict[str, Any]:
    """What a job asks for in aiohttp's words."""
    return {"ssl": job.tls or True, "compress": 15 if job.deflate else 0}


@asynccontextmanager
async def open_link(job: Job) -> AsyncIterator[Link]:
    async with ClientSession() as session, session.ws_connect(job.url, **options(job)) as ws:
        yield Link(ws.send_str if isinstance(job.payload, str) else ws.send_bytes, ws.receive)


async def connect(job: Job) -> None:
    """One session for all connections, as aiohttp's users have it."""
    async with ClientSession() as session:
        job.watch.start()
        for _ in range(job.count):
            async with session.ws_connect(job.url):
                pass
        job.watch.stop()


WORKS: dict[str, Work] = {**works(open_link), "connect": connect}
ON_ASYNCIO = Client(on_asyncio, WORKS)
ON_UVLOOP = Client(on_uvloop, WORKS)
