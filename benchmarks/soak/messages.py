"""Ten million messages received, and as many sent, in every way."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import trio

import trio_ohws

from .figure import Figure
from .job import Job
from .usage import Usage

COUNT = 10_000_000
SIZE = 32
WARM_UP = 10  # a part of so many

Way = Callable[[str, int], Awaitable[None]]


async def by_callback(url: str, count: int) -> None:
    left = count
    done = trio.Event()

    def on_message(error: Exception | None, value: str | bytes) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    async with trio_ohws.open_websocket(url) as ws:
        ws.on("message", on_message)
        await ws.send("go")
        await done.wait()


async def by_iteration(url: str, count: int) -> None:
    async with trio_ohws.open_websocket(url) as ws:
        await ws.send("go")
        async for _ in ws:
            count -= 1
            if not count:
                break


async def by_batches(url: str, count: int) -> None:
    async with trio_ohws.open_websocket(url) as ws:
        await ws.send("go")
        async for batch in ws.batches():
            count -= len(batch)
            if not count:
                break


async def by_send(url: str, count: int) -> None:
    message = "x" * SIZE
    async with trio_ohws.open_websocket(url) as ws:
        for _ in range(count):
            await ws.send(message)
        await ws.receive()


async def by_send_nowait(url: str, count: int) -> None:
    message = "x" * SIZE
    async with trio_ohws.open_websocket(url) as ws:
        for _ in range(count):
            try:
                ws.send_nowait(message)
            except trio.WouldBlock:
                await ws.flush()
                ws.send_nowait(message)
        await ws.receive()


RECEIVE: dict[str, Way] = {"callback": by_callback, "iteration": by_iteration, "batches": by_batches}
SEND: dict[str, Way] = {"send": by_send, "send_nowait": by_send_nowait}


async def messages(job: Job) -> list[Figure]:
    """Each way takes an equal part of the receiving, or of the sending."""
    count = job.count(COUNT, 3000)

    async def run(count: int) -> list[Figure]:
        rates = []
        for verb, path, ways in (("received", "flood", RECEIVE), ("sent", "sink", SEND)):
            share = count // len(ways)
            url = next(job.urls(f"/{path}?n={share}&size={SIZE}&kind=text"))
            for name, way in ways.items():
                begun = time.perf_counter()
                await way(url, share)
                rates.append(Figure(f"{verb} by {name}", share / (time.perf_counter() - begun), "/s"))
        return rates

    await run(count // WARM_UP)
    before = Usage()
    rates = await run(count)
    return [*rates, *before.growth(2 * count, "messages", job.tolerance)]
