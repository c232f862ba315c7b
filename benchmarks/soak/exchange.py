"""A thousand connections, each of which sends messages and waits for their echo."""

from __future__ import annotations

import time

import trio

import trio_ohws

from .figure import Figure
from .job import Job
from .spread import spread
from .usage import Usage

SOCKETS = 1000
MESSAGES = 200
SIZE = 256


async def exchange(job: Job) -> list[Figure]:
    """Connect all, then exchange; nothing may be lost, or come out of order."""
    sockets, messages = job.count(SOCKETS, 10), job.count(MESSAGES, 20)
    urls = job.urls("/echo")
    wrong = 0
    seconds: list[float] = []

    async def talk(url: str, go: trio.Event, *, task_status: trio.TaskStatus[None]) -> None:  # noqa: ASYNC114  # always by nursery.start
        nonlocal wrong
        async with trio_ohws.open_websocket(url) as ws:
            task_status.started()
            await go.wait()
            for number in range(messages):
                message = f"{number:>{SIZE}}"
                sent = time.perf_counter()
                await ws.send(message)
                wrong += message != await ws.receive()
                seconds.append(time.perf_counter() - sent)

    async def run() -> float:
        seconds.clear()
        go = trio.Event()
        async with trio.open_nursery() as nursery:
            for _ in range(sockets):
                await nursery.start(talk, next(urls), go)
            begun = time.perf_counter()
            go.set()
        return time.perf_counter() - begun

    await run()
    before = Usage()
    took = await run()
    count = sockets * messages
    figures = [
        Figure("connections", sockets, ""),
        Figure("round trips", count / took, "/s"),
        *spread("round trip", seconds),
        Figure("wrong answers", wrong, "", 0),
    ]
    seconds.clear()
    return figures + before.growth(count, "round trips", job.tolerance)
