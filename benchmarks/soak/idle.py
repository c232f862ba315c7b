"""Ten thousand connections on which nothing happens but the keepalive."""

from __future__ import annotations

import time
from collections.abc import Iterator

import trio

import trio_ohws

from .figure import Figure
from .job import Job
from .usage import Usage

COUNT = 10_000
AT_ONCE = 50
PING_INTERVAL_S = 30.0
PINGS_PER_S = 30  # where that gives a shorter interval
PATIENCE_S = 600.0  # a machine that is busy otherwise is not what is tested


async def idle(job: Job) -> list[Figure]:
    """Open, wait for a ping on each and its pong, close."""
    count = job.count(COUNT, 20)
    interval = max(1.0, min(PING_INTERVAL_S, count / PINGS_PER_S))
    urls = job.urls("/echo")
    sockets: list[trio_ohws.WebSocket] = []
    over = trio.Event()
    settings = trio_ohws.WebSocketSettings(
        ping_interval=interval, ping_timeout=PATIENCE_S, connect_timeout=PATIENCE_S
    )

    async def hold(url: str, *, task_status: trio.TaskStatus[None]) -> None:  # noqa: ASYNC114  # always by nursery.start
        async with trio_ohws.open_websocket(url, **settings) as ws:
            sockets.append(ws)
            task_status.started()
            await over.wait()

    async def open_some(turns: Iterator[int], nursery: trio.Nursery) -> None:
        for _ in turns:
            await nursery.start(hold, next(urls))

    async with trio_ohws.open_websocket(next(urls)):
        pass  # what all connections of a run share
    before = Usage()
    begun = time.perf_counter()
    async with trio.open_nursery() as nursery:
        turns = iter(range(count))
        async with trio.open_nursery() as opening:
            for _ in range(AT_ONCE):  # or the server's timeout for handshakes would pass
                opening.start_soon(open_some, turns, nursery)
        opened_s = time.perf_counter() - begun
        figures = [
            Figure("connections", count, ""),
            Figure("opened", count / opened_s, "/s"),
            *before.per(count),
        ]
        cpu = time.process_time()
        watched = time.perf_counter()
        with trio.move_on_after(2.5 * interval):
            while any(ws.latency is None for ws in sockets):  # noqa: ASYNC110  # of which there is no event
                await trio.sleep(interval / 10)
        cpu = (time.process_time() - cpu) / (time.perf_counter() - watched)
        silent = sum(ws.latency is None for ws in sockets)
        lost = sum(ws.state != "open" for ws in sockets)
        figures += [
            Figure(f"without a pong to the ping after {interval:g} s", silent, "", 0),
            Figure("lost", lost, "", 0),
            Figure("processor while they wait", cpu * 100, "%"),
        ]
        sockets.clear()
        over.set()
    # No limit for memory: sets and heaps keep their size, and pages are not given back. See `cycles`.
    return figures + before.growth(count, "connections that are closed", None)
