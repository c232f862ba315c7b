"""picows.websockets, the awaiting API on top of picows's core, on uvloop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from picows.websockets import connect

from .client import Client, Job
from .loops import on_uvloop
from .pulling import Link, works

QUEUE = 16
"""Messages: the default, which is kept but over TLS. There a queue that was full once gets the rest of a
flood only with what arrives next, the answer to its own ping 20 s later."""


@asynccontextmanager
async def open_link(job: Job) -> AsyncIterator[Link]:
    async with connect(
        job.url,
        ssl=job.tls,
        compression="deflate" if job.deflate else None,
        max_queue=None if job.tls else QUEUE,
    ) as ws:
        yield Link(ws.send, ws.recv)


CLIENT = Client(on_uvloop, works(open_link))
