"""trio-websocket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trio_websocket import open_websocket_url

from .client import Client, Job
from .loops import on_trio
from .pulling import Link, idle_in_tasks, works


@asynccontextmanager
async def open_link(job: Job) -> AsyncIterator[Link]:
    async with open_websocket_url(job.url, job.tls) as ws:
        yield Link(ws.send_message, ws.get_message)


CLIENT = Client(on_trio, {**works(open_link), "idle": idle_in_tasks(open_link)})
