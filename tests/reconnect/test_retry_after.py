"""What a server's Retry-After means."""

import time
from email.utils import formatdate

import pytest
from hypothesis import given, strategies as st

from trio_ohws.events.model import ResponseHeaders
from trio_ohws.reconnect.retry_after import retry_after

DATE = "Wed, 21 Oct 2015 07:28:00 GMT"


def of(value: str, date: str | None = DATE) -> float | None:
    """Return what it makes of a value."""
    fields = [("Retry-After", value)] + ([("Date", date)] if date else [])
    return retry_after(ResponseHeaders(fields))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        ("007", 7),
        ("999999999", 999999999),
        ("Wed, 21 Oct 2015 07:30:05 GMT", 125),
        ("Wednesday, 21-Oct-15 07:30:05 GMT", 125),
        ("Wed Oct 21 07:30:05 2015", 125),
        ("Wed, 21 Oct 2015 09:30:05 +0200", 125),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
    ],
)
def test_seconds_and_dates(value: str, seconds: float) -> None:
    """Seconds are seconds; a date counts from the answer's own, and one that is past is now."""
    assert seconds == of(value)


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_a_date_without_a_date_to_count_from(date: str | None) -> None:
    """It counts from our own clock."""
    seconds = of(formatdate(time.time() + 1000, usegmt=True), date)

    assert seconds is not None
    assert 990 < seconds <= 1000


@pytest.mark.parametrize(
    "value", ["", "-1", "1.5", "1e3", "9999999999", "soon", "٣", "Wed, 99 Oct 2015 07:28:00 GMT"]
)
def test_what_cannot_be_understood(value: str) -> None:
    """It counts as absent."""
    assert of(value) is None


def test_none_and_two() -> None:
    """Without one, and with two that may contradict each other, there is none."""
    assert retry_after(ResponseHeaders()) is None
    assert retry_after(ResponseHeaders([("Retry-After", "1"), ("retry-after", "2")])) is None


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60))
def test_nothing_makes_it_raise(value: str) -> None:
    """Whatever a server sends, it is a number of seconds or nothing."""
    seconds = of(value)

    assert seconds is None or seconds >= 0


@given(
    st.integers(-(10**12), 10**12),
    st.integers(-99, 99),
    st.integers(-(10**12), 10**12),
    st.sampled_from(["GMT", "+9999", "-0000", "+999999999999", "EST"]),
)
def test_no_date_makes_it_raise(day: int, hour: int, year: int, zone: str) -> None:
    """Nor does anything that looks like a date."""
    seconds = of(f"Wed, {day} Oct {year} {hour}:28:00 {zone}")

    assert seconds is None or seconds >= 0
