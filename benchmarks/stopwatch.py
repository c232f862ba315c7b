"""Times the measured section of a job."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .machine import cpu_seconds


@dataclass(slots=True)
class Stopwatch:
    """Adds up sections: seconds of waiting, of this process's processor time, and of the server's."""

    server_pid: int
    wall: float = 0.0
    cpu: float = 0.0
    server_cpu: float = 0.0

    def start(self) -> None:
        """Begin a section."""
        self.server_cpu -= cpu_seconds(self.server_pid)
        self.cpu -= time.process_time()
        self.wall -= time.perf_counter()

    def stop(self) -> None:
        """End it."""
        self.wall += time.perf_counter()
        self.cpu += time.process_time()
        self.server_cpu += cpu_seconds(self.server_pid)
