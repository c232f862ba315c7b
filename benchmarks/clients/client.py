"""What a client is to the benchmark: an event loop, and a coroutine function for each kind of work."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.stopwatch import Stopwatch


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a task: `count` operations in all, on one fresh connection or on so many."""

    url: str
    count: int
    payload: str | bytes
    watch: Stopwatch
    """The work starts it once connected and stops it when the last message is through."""
    tls: ssl.SSLContext | None = None
    """For ``wss://``: trusts the server."""
    deflate: bool = False
    connections: int = 1


Work = Callable[[Job], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Client:
    """A client and what it can do."""

    run: Callable[[Work, Job], None]
    """Runs a piece of work to its end on the client's event loop."""
    works: Mapping[str, Work]
    """By kind of task ("receive"), or by kind and way ("receive callback") where there are several."""

    def work(self, kind: str, way: str) -> Work:
        """The work for a kind of task, in this way if the client distinguishes ways."""
        return self.works.get(f"{kind} {way}") or self.works[kind]
