"""What is measured, and what we promise of it (PERFORMANCE's targets).

A `Task` is what happens on the wire. A `Workload` is a row of the table: a task, the way in which our client
does it, and its targets. Peers do each task in their one natural, fastest way, and rows of the same task
share their figures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import Literal
from urllib.parse import urlencode

Kind = Literal["receive", "send", "echo", "connect", "idle"]
Metric = Literal["wall", "cpu", "memory"]
Layer = Literal["", "tls", "deflate"]

BEST = "best"
"""In a target: whichever peer is best in this run."""
ALONE = "alone"
"""In a target: our own figure for the same task on one connection."""


@dataclass(frozen=True, slots=True)
class Task:
    """What happens on the wire.

    `count` messages, in equal shares over so many `connections`; or as many connections for "connect", one
    after the other, and for "idle", at the same time.
    """

    kind: Kind
    count: int
    size: int = 0
    text: bool = True
    layer: Layer = ""
    connections: int = 1

    def path(self, count: int) -> str:
        """The server's path for `count` operations."""
        deflate = int(self.layer == "deflate")
        if self.kind == "receive":
            kind = "text" if self.text else "binary"
            return "/flood?" + urlencode({"n": count, "size": self.size, "kind": kind, "deflate": deflate})
        if self.kind == "send":
            return "/sink?" + urlencode({"n": count, "deflate": deflate})
        return "/echo"

    @property
    def alone(self) -> Task:
        """The same on one connection."""
        return replace(self, connections=1)

    @property
    def size_text(self) -> str:
        """The size as people write it: 32 B, 64 KiB; empty where there are no messages."""
        for shift, unit in ((20, "MiB"), (10, "KiB")):
            if self.size >= 1 << shift:
                return f"{self.size >> shift} {unit}"
        return f"{self.size} B" if self.size else ""

    def payload(self) -> str | bytes:
        """One message that the client sends; in a flood, the one that starts it."""
        text = "go" if self.kind == "receive" else sample(self.size)
        return text if self.text else text.encode()


def sample(size: int) -> str:
    """ASCII text of this size that compresses about as well as what people send: rows of prices."""
    rows = (f'{{"id":{n},"symbol":"S{n * 7919 % 997}","price":{n * 104729 % 99991 / 100}}},' for n in count())
    text = ""
    while len(text) < size:
        text += next(rows)
    return text[:size]


@dataclass(frozen=True, slots=True)
class Target:
    """What we must reach: a ratio against one peer, or against the best of them.

    A ratio of rates has a lower bound (1.0 is as fast, 2.0 twice as fast), one of costs an upper bound.
    """

    bound: float
    against: str = BEST


@dataclass(frozen=True, slots=True)
class Workload:
    """A row of the table."""

    name: str
    title: str
    task: Task
    way: str
    """How our client does it: a way of `benchmarks.clients.ours`."""
    targets: tuple[Target, ...]
    metric: Metric = "wall"
    cost: bool = False
    """Compared as costs (lower is better) instead of rates."""
    floor: str = ""
    """How it is done with no client at all: a way of `benchmarks.clients.floor`, where there is one."""


RECEIVE_32 = Task("receive", 200_000, 32)
SEND_32 = Task("send", 50_000, 32)
ECHO_32 = Task("echo", 4_000, 32)
IDLE_CONNECTIONS = 1_000
CROWD = 1_000

OVER_TLS = (Target(1.0, "aiohttp-asyncio"), Target(3.0, "websockets-trio"))
DEFLATED = (Target(1.0, "websockets-trio"),)


def layered(task: Task, way: str, targets: tuple[Target, ...]) -> Workload:
    """A row of a task over TLS or with permessage-deflate."""
    size = task.size_text.replace(" ", "").replace("KiB", "k").replace("B", "")
    title = f"{task.kind} {task.size_text} {'text' if task.text else 'binary'}, {task.layer}"
    return Workload(f"{task.kind}-{size}-{task.layer}", title, task, way, targets)


LAYERED = (
    layered(Task("receive", 200_000, 32, layer="tls"), "callback", OVER_TLS),
    layered(Task("receive", 4_000, 1 << 16, text=False, layer="tls"), "callback", OVER_TLS),
    layered(Task("send", 50_000, 32, layer="tls"), "nowait", OVER_TLS),
    layered(Task("receive", 50_000, 32, layer="deflate"), "callback", DEFLATED),
    layered(Task("receive", 5_000, 1 << 14, layer="deflate"), "callback", DEFLATED),
    layered(Task("send", 2_000, 1 << 14, layer="deflate"), "nowait", DEFLATED),
)

WORKLOADS = (
    Workload(
        "receive-32-text",
        "receive 32 B text, callback",
        RECEIVE_32,
        "callback",
        (Target(1.0), Target(1.3, "picows")),
    ),
    Workload(
        "receive-32-text-batches", "receive 32 B text, batches()", RECEIVE_32, "batches", (Target(1.0),)
    ),
    Workload(
        "receive-32-text-each",
        "receive 32 B text, async for",
        RECEIVE_32,
        "each",
        (Target(0.9, "aiohttp-uvloop"), Target(7.0, "websockets-trio")),
    ),
    Workload(
        "receive-1k",
        "receive 1 KiB binary",
        Task("receive", 100_000, 1 << 10, text=False),
        "callback",
        (Target(0.95),),
    ),
    Workload(
        "receive-64k",
        "receive 64 KiB binary",
        Task("receive", 4_000, 1 << 16, text=False),
        "callback",
        (Target(0.95),),
        floor="area",
    ),
    Workload(
        "receive-1m",
        "receive 1 MiB binary",
        Task("receive", 400, 1 << 20, text=False),
        "callback",
        (Target(0.95),),
    ),
    Workload("send-32-nowait", "send 32 B text, send_nowait", SEND_32, "nowait", (Target(1.0),)),
    Workload(
        "send-32-await",
        "send 32 B text, await send",
        SEND_32,
        "await",
        (Target(1.0, "aiohttp-uvloop"), Target(10.0, "websockets-trio")),
    ),
    Workload(
        "send-1k-nowait",
        "send 1 KiB text, send_nowait",
        Task("send", 50_000, 1 << 10),
        "nowait",
        (Target(1.0),),
    ),
    Workload(
        "send-1m",
        "send 1 MiB binary, await send",
        Task("send", 400, 1 << 20, text=False),
        "await",
        (Target(0.95),),
    ),
    Workload(
        "connect", "connect and close", Task("connect", 300), "", (Target(1.25, "trio-websocket"),), cost=True
    ),
    Workload(
        "echo-32-callback",
        "echo 32 B text, callback, cpu",
        ECHO_32,
        "callback",
        (Target(1.05, "picows"),),
        "cpu",
        cost=True,
        floor="one task",
    ),
    Workload(
        "echo-32-await",
        "echo 32 B text, await, cpu",
        ECHO_32,
        "await",
        (Target(1.1, "aiohttp-uvloop"), Target(0.6, "websockets-trio")),
        "cpu",
        cost=True,
        floor="two tasks",
    ),
    *LAYERED,
    Workload(
        "idle",
        "an idle connection, memory",
        Task("idle", IDLE_CONNECTIONS),
        "",
        (Target(1.6, "trio-websocket"),),
        "memory",
        cost=True,
    ),
    Workload(
        "echo-32-crowd",
        f"echo 32 B text on {CROWD} connections, cpu",
        Task("echo", 40_000, 32, connections=CROWD),
        "callback",
        (Target(1.3, ALONE),),
        "cpu",
        cost=True,
    ),
    Workload("echo-32-callback-wall", "echo 32 B text, callback, wall", ECHO_32, "callback", (), cost=True),
    Workload("echo-32-await-wall", "echo 32 B text, await, wall", ECHO_32, "await", (), cost=True),
)
