"""Figures of round trips."""

import math

import pytest
from hypothesis import given, strategies as st

from trio_ohws.cli.latencies import Bucket, Latencies

SECONDS = st.floats(1e-6, 1e3)


def of(*seconds: float) -> Latencies:
    """Make some."""
    latencies = Latencies()
    for one in seconds:
        latencies.add(one)
    return latencies


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (1, 1), (50, 50), (50.1, 51), (99, 99), (100, 100)])
def test_percentiles(percent: float, value: float) -> None:
    """By the nearest rank: of a hundred, the fiftieth is the median."""
    assert value == of(*range(100, 0, -1)).percentile(percent)


def test_one_after_the_other() -> None:
    """What is added after a look counts."""
    latencies = of(2)

    assert 2 == latencies.percentile(100)
    latencies.add(3)
    latencies.add(1)
    assert {"min": 1, "p50": 2, "p90": 3, "p99": 3, "p99.9": 3, "max": 3} == latencies.figures()


def test_a_histogram() -> None:
    """Borders grow by the same factor."""
    assert [Bucket(10, 2), Bucket(100, 0), Bucket(1000, 1)] == [
        Bucket(round(upto), trips) for upto, trips in of(1, 9, 1000).histogram(3)
    ]


def test_a_histogram_of_equals() -> None:
    """It has one row."""
    assert [Bucket(2, 3)] == of(2, 2, 2).histogram(12)


@given(st.lists(SECONDS, min_size=1, max_size=50), st.integers(1, 20))
def test_a_histogram_counts_all(seconds: list[float], rows: int) -> None:
    """Each round trip is in one bucket, the last one's border is the longest."""
    latencies = of(*seconds)
    buckets = latencies.histogram(rows)

    assert len(seconds) == sum(bucket.trips for bucket in buckets)
    assert max(seconds) == buckets[-1].upto
    assert all(bucket.trips >= 0 and math.isfinite(bucket.upto) for bucket in buckets)
