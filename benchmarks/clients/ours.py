"""trio_ohws, in every way in which it receives and sends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import trio

import trio_ohws

from .client import Client, Job
from .loops import on_trio
from .pulling import Link, idle_in_tasks, works


def connect(job: Job) -> AbstractAsyncContextManager[trio_ohws.WebSocket]:
    settings: trio_ohws.WebSocketSettings = {}
    if job.tls is not None:
        settings["ssl_context"] = job.tls
    if job.deflate:
        settings["compression"] = "deflate"
    return trio_ohws.open_websocket(job.url, **settings)


@asynccontextmanager
async def open_link(job: Job) -> AsyncIterator[Link]:
    async with connect(job) as ws:
        yield Link(ws.send, ws.receive)


async def receive_by_callback(job: Job) -> None:
    left = job.count
    done = trio.Event()

    def on_message(error: Exception | None, value: str | bytes) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    async with connect(job) as ws:
        ws.on("message", on_message)
        job.watch.start()
        ws.send_nowait(job.payload)
        await done.wait()
        job.watch.stop()


async def receive_batches(job: Job) -> None:
    left = job.count
    async with connect(job) as ws:
        job.watch.start()
        ws.send_nowait(job.payload)
        async for batch in ws.batches():
            left -= len(batch)
            if not left:
                break
        job.watch.stop()


async def receive_each(job: Job) -> None:
    left = job.count
    async with connect(job) as ws:
        job.watch.start()
        ws.send_nowait(job.payload)
        async for _ in ws:
            left -= 1
            if not left:
                break
        job.watch.stop()


async def send_without_waiting(job: Job) -> None:
    async with connect(job) as ws:
        send_message, payload = ws.send_nowait, job.payload
        job.watch.start()
        for _ in range(job.count):
            try:
                send_message(payload)
            except trio.WouldBlock:
                await ws.flush()
                send_message(payload)
        await ws.receive()
        job.watch.stop()


async def echo_by_callback(job: Job) -> None:
    """A message on each connection, sent back when it comes, until all of them together have had enough."""
    left = job.count
    done = trio.Event()
    sockets: list[trio_ohws.WebSocket] = []

    async def hold(task_status: trio.TaskStatus[None]) -> None:  # noqa: ASYNC114
        async with connect(job) as ws:

            def on_message(error: Exception | None, value: str | bytes) -> None:
                nonlocal left
                left -= 1
                if left > 0:
                    ws.send_nowait(value)
                else:
                    done.set()

            ws.on("message", on_message)
            sockets.append(ws)
            task_status.started()
            await done.wait()

    async with trio.open_nursery() as nursery:
        for _ in range(job.connections):
            await nursery.start(hold)
        job.watch.start()
        for ws in sockets:
            ws.send_nowait(job.payload)
        await done.wait()
        job.watch.stop()


AWAITING = works(open_link)
CLIENT = Client(
    on_trio,
    {
        "receive callback": receive_by_callback,
        "receive batches": receive_batches,
        "receive each": receive_each,
        "send nowait": send_without_waiting,
        "send await": AWAITING["send"],
        "echo callback": echo_by_callback,
        "echo await": AWAITING["echo"],
        "connect": AWAITING["connect"],
        "idle": idle_in_tasks(open_link),
    },
)
