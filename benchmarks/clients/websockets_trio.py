"""websockets on Trio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.trio.client import connect

from .client import Client, Job
from .loops import on_trio
from .pulling import Link, idle_in_tasks, works


@asynccontextmanager
async def open_link(job: Job) -> AsyncIterator[Link]:
    async with connect(job.url, ssl=job.tls, compression="deflate" if job.deflate else None) as ws:
        yield Link(ws.send, ws.recv)


CLIENT = Client(on_trio, {**works(open_link), "idle": idle_in_tasks(open_link)})
