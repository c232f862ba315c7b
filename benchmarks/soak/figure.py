"""What a soak finds out: a number, and what it may be at most."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table; with a limit it can fail the run."""

    name: str
    value: float
    unit: str
    at_most: float | None = None

    @property
    def failed(self) -> bool:
        return self.at_most is not None and self.value > self.at_most

    @property
    def verdict(self) -> str:
        if self.at_most is None:
            return ""
        return f"{'TOO MUCH' if self.failed else 'ok'}: at most {number(self.at_most)}"


def number(value: float) -> str:
    """Three digits or so, and thousands apart: 0.29, 15.8, 4 240."""
    if value == round(value) or abs(value) >= 100:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
