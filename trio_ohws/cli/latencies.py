"""Many round trips as a few figures."""

import math
from array import array
from bisect import bisect_left
from itertools import pairwise
from typing import Final, NamedTuple

__all__ = ["Bucket", "Latencies"]

PERCENTILES: Final = (50, 90, 99, 99.9)


class Bucket(NamedTuple):
    """How many round trips took at most `upto` seconds, and longer than those of the bucket before."""

    upto: float
    trips: int


class Latencies:
    """Round trips, in seconds: 8 bytes each."""

    def __init__(self) -> None:
        self._values = array("d")
        self._sorted = True

    def __len__(self) -> int:
        return len(self._values)

    def add(self, seconds: float) -> None:
        """Keep one."""
        self._values.append(seconds)
        self._sorted = False

    def percentile(self, percent: float) -> float:
        """Return what so many percent did not exceed: one that was measured, by the nearest rank."""
        values = self._in_order()
        return values[max(0, math.ceil(len(values) * percent / 100) - 1)]

    def figures(self) -> dict[str, float]:
        """Return names and seconds, from the least to the most; there must be some."""
        shown = {f"p{percent:g}": self.percentile(percent) for percent in PERCENTILES}
        return {"min": self.percentile(0), **shown, "max": self.percentile(100)}

    def histogram(self, rows: int) -> list[Bucket]:
        """Count them in buckets whose borders grow by the same factor: a tail is long."""
        values = self._in_order()
        least, most = values[0], values[-1]
        if least <= 0 or least == most:
            return [Bucket(most, len(values))]
        factor = (most / least) ** (1 / rows)
        borders = [least * factor**row for row in range(1, rows)] + [most]
        places = [0, *(bisect_left(values, math.nextafter(border, math.inf)) for border in borders)]
        return [
            Bucket(border, after - before)
            for border, (before, after) in zip(borders, pairwise(places), strict=True)
        ]

    def _in_order(self) -> "array[float]":
        if not self._sorted:
            self._values = array("d", sorted(self._values))
            self._sorted = True
        return self._values
