"""What a soak is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

from .usage import Tolerance


@dataclass(frozen=True, slots=True)
class Job:
    """Where the servers are, and how much of the whole is to be done.

    Attributes:
        port: of the server.
        other_port: of a second one, on which no flood is.
        addresses: how many loopback addresses the server listens on; each has ephemeral ports of its own.
        scale: 1 for the whole.
        tolerance: what may have grown at the end.
    """

    port: int
    other_port: int
    addresses: int
    scale: float
    tolerance: Tolerance

    def count(self, whole: int, least: int) -> int:
        """How many of `whole` at this scale."""
        return max(least, round(whole * self.scale))

    def urls(self, path: str) -> Iterator[str]:
        """The server's URLs, over all of its addresses, for ever."""
        return cycle([f"ws://127.0.0.{number}:{self.port}{path}" for number in range(1, self.addresses + 1)])
