"""One connection is flooded: how long does another one in the same program have to wait?"""

from __future__ import annotations

import time

import trio

import trio_ohws

from .figure import Figure
from .job import Job
from .spread import spread
from .usage import Usage

SECONDS = 20.0
SIZE = 32
ENDLESS = 1 << 40


async def flood(job: Job) -> list[Figure]:
    """Measure round trips to a server of its own, alone and beside the flood; and turns of the scheduler."""
    seconds = max(0.2, SECONDS * job.scale)
    longest_s = longest_cpu_s = 0.0
    received = 0

    async def take_turns() -> None:
        nonlocal longest_s, longest_cpu_s
        now, cpu = time.perf_counter(), time.thread_time()
        while True:
            await trio.lowlevel.checkpoint()
            then, cpu_then = now, cpu
            now, cpu = time.perf_counter(), time.thread_time()
            longest_s = max(longest_s, now - then)
            longest_cpu_s = max(longest_cpu_s, cpu - cpu_then)

    async def swallow(*, task_status: trio.TaskStatus[trio_ohws.WebSocket]) -> None:  # noqa: ASYNC114  # always by nursery.start
        def on_message(error: Exception | None, value: str | bytes) -> None:
            nonlocal received
            received += 1

        url = next(job.urls(f"/flood?n={ENDLESS}&size={SIZE}&kind=text"))
        async with trio_ohws.open_websocket(url) as ws:
            ws.on("message", on_message)
            task_status.started(ws)
            await trio.sleep_forever()

    async with trio_ohws.open_websocket(f"ws://127.0.0.1:{job.other_port}/echo") as ws:

        async def round_trips(seconds: float) -> list[float]:
            taken = []
            until = time.perf_counter() + seconds
            while (sent := time.perf_counter()) < until:
                await ws.send("x")
                await ws.receive()
                taken.append(time.perf_counter() - sent)
            return taken

        alone = await round_trips(seconds / 10)
        async with trio.open_nursery() as nursery:
            flooded = await nursery.start(swallow)
            await flooded.send("go")
            await round_trips(seconds / 10)
            before = Usage()
            begun, received_before = time.perf_counter(), received
            beside = await round_trips(seconds)
            rate = (received - received_before) / (time.perf_counter() - begun)
            nursery.start_soon(take_turns)
            await trio.sleep(seconds / 2)
            growth = before.growth(received, "messages", job.tolerance)
            nursery.cancel_scope.cancel()
    return [
        Figure("flood of 32-byte messages", rate, "/s"),
        *spread("round trip alone", alone),
        *spread("round trip beside it", beside),
        Figure("turn of the scheduler, longest", longest_s * 1e3, "ms"),
        Figure("turn of the scheduler, longest by processor time", longest_cpu_s * 1e3, "ms"),
        *growth,
    ]
