"""How long to wait before the next attempt."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Backoff"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter.

    The wait after the n-th failure in a row is a random part of ``first * factor ** (n - 1)`` seconds, and of
    ``longest`` at most. That the whole of it is random spreads the clients of a server that restarts.

    Args:
        first: seconds of which the first wait is a part, at least 0.
        longest: seconds of which any wait is a part, at least ``first``.
        factor: by how much it grows with each failure, at least 1.
        jitter: returns the part, from 0 to 1; ``lambda: 1`` for none.

    Raises:
        ValueError: a figure is out of range.
    """

    first: float = 1.0
    longest: float = 60.0
    factor: float = 2.0
    jitter: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.longest < math.inf:
            raise ValueError(f"0 <= first <= longest must hold, not {self.first} and {self.longest}")
        if not 1 <= self.factor < math.inf:
            raise ValueError(f"factor must be at least 1, not {self.factor}")

    def delay(self, failures: int) -> float:
        """Return how many seconds to wait.

        Args:
            failures: how many there were in a row, at least 1.
        """
        try:
            most = min(self.longest, self.first * self.factor ** (failures - 1))
        except OverflowError:
            most = self.longest
        return most * self.jitter()
