"""One client's process: takes a task from standard input, measures it, writes the sample to standard output.

Lines of JSON both ways. It lives for the whole run, so its imports are paid for once; it waits, off every
event loop, while the others are measured.
"""

from __future__ import annotations

import argparse
import gc
import json
import ssl
import sys
import traceback
from typing import Any

from .clients.client import Client, Job
from .clients.registry import CLIENTS
from .machine import pin_to
from .pace import pace_ns
from .stopwatch import Stopwatch
from .workloads import Task

SMALLEST_SHARE = 20
"""The warm-up, and what the slowest clients do, is this part of a task's count."""


def measure(
    client: Client,
    task: Task,
    way: str,
    *,
    base: str,
    tls: ssl.SSLContext | None,
    server_pid: int,
    seconds: float,
) -> dict[str, float]:
    """One sample: the task over and over until `seconds` are measured.

    A slow client, for which the task as a whole would take longer than that, does a part of it.

    Returns:
        The fields of `benchmarks.figures.Sample`.
    """
    work = client.work(task.kind, way)

    def run(count: int) -> Stopwatch:
        gc.collect()
        watch = Stopwatch(server_pid, weighs=task.kind == "idle")
        job = Job(
            base + task.path(count),
            count,
            task.payload(),
            watch,
            tls=tls,
            deflate=task.layer == "deflate",
            connections=task.connections,
        )
        client.run(work, job)
        return watch

    pace_before = pace_ns()
    # Memory that was once used is no measure for the next time; and a few messages on each connection of a
    # crowd would measure how the first one meets cold caches, and a garbage collection of all that is new.
    whole = task.kind == "idle" or task.connections > 1
    if whole:
        count = task.count
    else:
        smallest = max(1, task.count // SMALLEST_SHARE)
        per_operation = run(smallest).wall / smallest
        count = min(task.count, max(smallest, round(seconds / per_operation)))
    wall = cpu = server_cpu = memory = 0.0
    operations = 0
    while not operations or (wall < seconds * 0.9 and not whole):
        watch = run(count)
        operations += count
        wall += watch.wall
        cpu += watch.cpu
        server_cpu += watch.server_cpu
        memory += watch.memory
    return {
        "memory_kib": memory / operations / 1024,
        "wall_us": wall / operations * 1e6,
        "cpu_us": cpu / operations * 1e6,
        "server_busy": server_cpu / wall,
        "pace_ns": max(pace_before, pace_ns()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worker", description=__doc__.splitlines()[0])
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tls-port", type=int, required=True)
    parser.add_argument("--authority", required=True, help="the CA's certificate, a PEM file")
    parser.add_argument("--server-pid", type=int, required=True)
    parser.add_argument("--core", type=int)
    arguments = parser.parse_args()
    pin_to(arguments.core)
    try:
        client = CLIENTS[arguments.client].load()
    except ImportError as error:
        print(json.dumps({"error": f"cannot be imported: {error}"}), flush=True)
        return
    print(json.dumps({"ready": True}), flush=True)
    plain = (f"ws://127.0.0.1:{arguments.port}", None)
    secure = (f"wss://127.0.0.1:{arguments.tls_port}", ssl.create_default_context(cafile=arguments.authority))
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        task = Task(**order["task"])
        base, tls = secure if task.layer == "tls" else plain
        try:
            answer: dict[str, Any] = dict(
                measure(
                    client,
                    task,
                    order["way"],
                    base=base,
                    tls=tls,
                    server_pid=arguments.server_pid,
                    seconds=order["seconds"],
                )
            )
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
