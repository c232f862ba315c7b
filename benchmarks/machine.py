"""The machine: its cores, the processor time of its processes, and the facts that go with every figure."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def available_cores() -> list[int]:
    """The cores that this process may use; empty where the system cannot tell, or cannot pin."""
    if sys.platform == "linux":
        return sorted(os.sched_getaffinity(0))
    return []


def pin_to(core: int | None) -> None:
    """Keep this process on one core; None leaves it where it is."""
    if sys.platform == "linux" and core is not None:
        os.sched_setaffinity(0, {core})


def cpu_seconds(pid: int) -> float:
    """Seconds of user and system time that a process has used, to the nanosecond; 0.0 where unknown.

    Linux numbers the processor clock of process p as `(~p << 3) | 2` (see clock_getcpuclockid(3)). /proc
    knows the same, but in ticks of 10 ms, which is too coarse for a section of 60 ms.
    """
    if sys.platform == "linux":
        return time.clock_gettime((~pid << 3) | 2)
    return 0.0


def resident_bytes() -> int:
    """The memory of this process that is in use; 0 where unknown."""
    if sys.platform == "linux":
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    return 0


def facts(packages: Iterable[str]) -> dict[str, object]:
    """What a reader needs in order to compare two runs; no host names, no paths."""
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": len(available_cores()) or os.cpu_count(),
        "packages": versions,
    }
