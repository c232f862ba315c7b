"""Times the measured section of a job, and weighs it."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass

from .machine import cpu_seconds, resident_bytes


@dataclass(slots=True)
class Stopwatch:
    """Adds up sections: seconds of waiting, of this process's processor time and of the server's; memory.

    Args:
        server_pid: The server.
        weighs: Whether resident memory is asked for, after a collection; else that is not worth the time.
    """

    server_pid: int
    wall: float = 0.0
    cpu: float = 0.0
    server_cpu: float = 0.0
    weighs: bool = False
    memory: float = 0.0

    def start(self) -> None:
        """Begin a section."""
        self.memory -= self._weigh()
        self.server_cpu -= cpu_seconds(self.server_pid)
        self.cpu -= time.process_time()
        self.wall -= time.perf_counter()

    def stop(self) -> None:
        """End it."""
        self.wall += time.perf_counter()
        self.cpu += time.process_time()
        self.server_cpu += cpu_seconds(self.server_pid)
        self.memory += self._weigh()

    def _weigh(self) -> int:
        if not self.weighs:
            return 0
        gc.collect()
        return resident_bytes()
