"""How fast the machine is at this moment.

Rented machines change their speed by a factor of two from one second to the next, and a neighbour may want
the same core. A short fixed loop before and after each sample tells, so that a sample taken in a slow moment
can be taken again.
"""

from __future__ import annotations

import time

STEPS = 100_000


def pace_ns() -> float:
    """Nanoseconds per step of a fixed loop; it takes 5 to 10 ms, longer than a neighbour's turn."""
    total = 0
    begun = time.perf_counter_ns()
    for step in range(STEPS):
        total += step
    return (time.perf_counter_ns() - begun) / STEPS
