"""How long the waits are."""

import math

import pytest
from hypothesis import given, strategies as st

from trio_ohws.reconnect import Backoff


def test_it_grows_to_its_limit() -> None:
    """Without jitter: first, then a factor more with each failure, and never above longest."""
    backoff = Backoff(first=1, longest=10, factor=2, jitter=lambda: 1)

    assert [1, 2, 4, 8, 10, 10] == [backoff.delay(failures) for failures in range(1, 7)]
    assert 10 == backoff.delay(10**6)


def test_the_jitter_is_full() -> None:
    """A wait is any part of the limit, and two are hardly ever the same."""
    waits = {Backoff(first=8).delay(1) for _ in range(100)}

    assert 90 < len(waits)
    assert 0 <= min(waits) < 2
    assert 6 < max(waits) <= 8


@given(st.integers(1, 10**9), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(1, 1e300))
def test_no_wait_is_out_of_range(failures: int, first: float, more: float, factor: float) -> None:
    """From 0 to longest, whatever the figures."""
    backoff = Backoff(first, first + more, factor)

    assert 0 <= backoff.delay(failures) <= backoff.longest


@pytest.mark.parametrize(
    "figures",
    [
        {"first": -1},
        {"first": 2, "longest": 1},
        {"longest": math.inf},
        {"first": math.nan},
        {"factor": 0.9},
        {"factor": math.inf},
        {"factor": math.nan},
    ],
)
def test_figures_out_of_range(figures: dict[str, float]) -> None:
    """They are refused when it is made."""
    with pytest.raises(ValueError, match="must"):
        Backoff(**figures)  # type: ignore[arg-type]
