"""What this process holds: memory and file descriptors, and how much more than before."""

from __future__ import annotations

import gc
import os
import resource
import sys
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

from .figure import Figure, number

_OPEN = Path("/proc/self/fd" if sys.platform == "linux" else "/dev/fd")
_STATM = Path("/proc/self/statm")


def rss_bytes() -> int:
    """Resident memory now; the most that it ever was where the system tells no more."""
    if sys.platform == "linux":
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much may have been added at the end: allocators keep pages, and dictionaries grow in steps."""

    rss_mib: float = 8
    traced_kib: float = 256


class Usage:
    """A moment, after a garbage collection."""

    def __init__(self) -> None:
        gc.collect()
        self.rss = rss_bytes()
        self.fds = sum(1 for _ in _OPEN.iterdir())
        self.traced = tracemalloc.get_traced_memory()[0]

    def growth(self, count: int, what: str, tolerance: Tolerance | None) -> list[Figure]:
        """How much more there is now, after `count` more of something; None tolerates any."""
        now = Usage()
        name = f"growth over {number(count)} {what}"
        rss_mib = traced_kib = None
        if tolerance is not None:
            rss_mib, traced_kib = tolerance.rss_mib, tolerance.traced_kib
        if tracemalloc.is_tracing():
            return [Figure(f"{name}, tracemalloc", (now.traced - self.traced) / 1024, "KiB", traced_kib)]
        return [
            Figure(f"{name}, RSS", (now.rss - self.rss) / (1 << 20), "MiB", rss_mib),
            Figure(f"{name}, file descriptors", now.fds - self.fds, "", 0),
        ]

    def per(self, count: int) -> list[Figure]:
        """How much more there is now for each of `count` connections."""
        now = Usage()
        if tracemalloc.is_tracing():
            return [Figure("tracemalloc per connection", (now.traced - self.traced) / count / 1024, "KiB")]
        return [
            Figure("RSS per connection", (now.rss - self.rss) / count / 1024, "KiB"),
            Figure("file descriptors per connection", (now.fds - self.fds) / count, "", 1),
        ]
