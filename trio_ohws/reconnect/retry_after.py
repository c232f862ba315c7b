"""When a server wants us to come back."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["retry_after"]

# Nine digits are 31 years: what is longer is no number of seconds that anyone means.
_seconds: Final = re.compile(r"[0-9]{1,9}", re.ASCII).fullmatch


def retry_after(headers: Mapping[str, str | list[str]]) -> float | None:
    """Return what the Retry-After header asks for.

    Args:
        headers: of an HTTP answer, by lower-case names.

    Returns:
        Seconds, at least 0; None if there is none, or none that can be understood. A date is counted from the
        answer's own Date, so that the two clocks need not agree; without one, from now.

    Source: RFC 9110 section 10.2.3.
    """
    value = headers.get("retry-after")
    if not isinstance(value, str):
        return None
    if _seconds(value):
        return float(value)
    until = _date(value)
    if until is None:
        return None
    date = headers.get("date")
    since = _date(date) if isinstance(date, str) else None
    return max(0.0, (until - (since or datetime.now(UTC))).total_seconds())


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return date.replace(tzinfo=date.tzinfo or UTC)
