"""The event loops. Each is imported when it is used, so that no client's process holds another's."""

from __future__ import annotations

from .client import Job, Work


def on_trio(work: Work, job: Job) -> None:
    """Run it on Trio."""
    import trio

    trio.run(work, job)


def on_asyncio(work: Work, job: Job) -> None:
    """Run it on asyncio's own loop."""
    import asyncio

    asyncio.run(work(job))


def on_uvloop(work: Work, job: Job) -> None:
    """Run it on uvloop."""
    import uvloop

    uvloop.run(work(job))
