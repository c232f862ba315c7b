"""The works of a client that awaits each send and each message: all of them but picows's core.

The bound methods are taken once per run, so no peer pays for the sharing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.abc

from .client import Job, Work


@dataclass(frozen=True, slots=True)
class Link:
    """An open connection: how it sends this job's payload, and how it waits for a message."""

    send: Callable[[Any], Awaitable[object]]
    receive: Callable[[], Awaitable[object]]


def works(open_link: Callable[[Job], AbstractAsyncContextManager[Link]]) -> dict[str, Work]:
    """Every kind of work, given a context manager that connects and closes."""

    async def receive(job: Job) -> None:
        async with open_link(job) as link:
            next_message = link.receive
            job.watch.start()
            await link.send(job.payload)
            for _ in range(job.count):
                await next_message()
            job.watch.stop()

    async def send(job: Job) -> None:
        async with open_link(job) as link:
            send_message, payload = link.send, job.payload
            job.watch.start()
            for _ in range(job.count):
                await send_message(payload)
            await link.receive()
            job.watch.stop()

    async def echo(job: Job) -> None:
        async with open_link(job) as link:
            send_message, next_message, payload = link.send, link.receive, job.payload
            job.watch.start()
            for _ in range(job.count):
                await send_message(payload)
                await next_message()
            job.watch.stop()

    async def connect(job: Job) -> None:
        job.watch.start()
        for _ in range(job.count):
            async with open_link(job):
                pass
        job.watch.stop()

    async def idle(job: Job) -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(open_link(job))
            job.watch.start()
            for _ in range(job.count):
                await stack.enter_async_context(open_link(job))
            job.watch.stop()

    return {"receive": receive, "send": send, "echo": echo, "connect": connect, "idle": idle}


def idle_in_tasks(open_link: Callable[[Job], AbstractAsyncContextManager[Link]]) -> Work:
    """Idle connections on Trio, where a connection is a block, and so needs a task of its own."""

    async def hold(job: Job, task_status: anyio.abc.TaskStatus[None]) -> None:  # noqa: ASYNC114
        async with open_link(job):
            task_status.started()
            await anyio.sleep_forever()

    async def idle(job: Job) -> None:
        async with anyio.create_task_group() as tasks:
            await tasks.start(hold, job)
            job.watch.start()
            for _ in range(job.count):
                await tasks.start(hold, job)
            job.watch.stop()
            tasks.cancel_scope.cancel()

    return idle
