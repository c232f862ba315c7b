"""Judging a certificate by its time."""

import datetime as dt

import pytest

from trio_ohws.cli.certificate import Certificate
from trio_ohws.cli.shown_certificate import ShownCertificate

NOW = dt.datetime(2030, 6, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.mark.parametrize(
    ("begin", "end", "verdict", "words"),
    [
        (-DAY, 90 * DAY, "ok", "me for a.test, issued by ca, expires on 2030-08-30, in 90 days"),
        (-DAY, 13 * DAY, "warn", "expires on 2030-06-14, in 13 days"),
        (-2 * DAY, -DAY, "FAIL", "expired on 2030-05-31"),
        (DAY, 2 * DAY, "FAIL", "not valid before 2030-06-02"),
    ],
)
def test_time(begin: dt.timedelta, end: dt.timedelta, verdict: str, words: str) -> None:
    """It is over, soon over, or has not begun; where there is something to do, there is advice."""
    certificate = Certificate("me", "ca", NOW + begin, NOW + end, ("a.test",))
    found, says, advice = ShownCertificate().judge(certificate, NOW)

    assert verdict == found
    assert words in says
    assert (advice is None) == (verdict == "ok")


def test_what_cannot_be_read() -> None:
    """It is left out."""
    assert [] == ShownCertificate().certificates(b"0\x03abc")
