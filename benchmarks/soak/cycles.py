"""A hundred thousand connections, one after the other, ten at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator

import trio

import trio_ohws

from .figure import Figure
from .job import Job
from .usage import Usage

COUNT = 100_000
AT_ONCE = 10
WARM_UP = 10  # a part of so many


async def cycles(job: Job) -> list[Figure]:
    """Connect, exchange a message, close, over and over."""
    count = job.count(COUNT, 50)
    urls = job.urls("/echo")
    unclean = 0

    async def connect_and_close(turns: Iterator[int]) -> None:
        nonlocal unclean
        for _ in turns:
            async with trio_ohws.open_websocket(next(urls)) as ws:
                await ws.send("x")
                await ws.receive()
            unclean += ws.close_result is None or not ws.close_result.clean

    async def run(count: int) -> None:
        turns = iter(range(count))
        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(connect_and_close, turns)

    warm_up = count // WARM_UP
    await run(warm_up)
    before = Usage()
    begun = time.perf_counter()
    await run(count - warm_up)
    took = time.perf_counter() - begun
    return [
        Figure("connections", count, ""),
        Figure("connect, message, close", (count - warm_up) / took, "/s"),
        Figure("not closed cleanly", unclean, "", 0),
        *before.growth(count - warm_up, "of them", job.tolerance),
    ]
