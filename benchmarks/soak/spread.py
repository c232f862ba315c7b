"""How long something takes: usually, seldom, at worst."""

from __future__ import annotations

from .figure import Figure


def spread(what: str, seconds: list[float]) -> list[Figure]:
    """Median, 99th percentile and maximum, in milliseconds."""
    ordered = sorted(seconds)
    return [
        Figure(f"{what}, median", ordered[len(ordered) // 2] * 1e3, "ms"),
        Figure(f"{what}, 99 %", ordered[len(ordered) * 99 // 100] * 1e3, "ms"),
        Figure(f"{what}, worst", ordered[-1] * 1e3, "ms"),
    ]
