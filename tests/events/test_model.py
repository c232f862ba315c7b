"""Names and payloads of events."""

import dataclasses
import pickle

import pytest

from trio_ohws.events.model import EVENT_NAMES, CloseResult, OpenResult, ResponseHeaders

FIELDS = [
    ("Content-Type", "text/html"),
    ("Set-Cookie", "a=1"),
    ("set-cookie", "b=2"),
    ("SET-COOKIE", "c=3"),
    ("X-Empty", ""),
]


def test_the_events_are_those_of_the_reference() -> None:
    """There are seven events, in OHOS's spelling."""
    assert ("open", "openInfo", "message", "close", "error", "dataEnd", "headerReceive") == EVENT_NAMES


@pytest.mark.parametrize("name", ["set-cookie", "Set-Cookie", "SET-COOKIE"])
def test_headers_are_found_in_any_case(name: str) -> None:
    """A repeated header is a list, in the order in which it was sent, whatever the case."""
    headers = ResponseHeaders(FIELDS)

    assert ["a=1", "b=2", "c=3"] == headers[name]
    assert name in headers


def test_headers_are_a_mapping() -> None:
    """Names are lower-case, each stands once; what is missing is a KeyError, or the default."""
    headers = ResponseHeaders(FIELDS)

    assert {"content-type": "text/html", "set-cookie": ["a=1", "b=2", "c=3"], "x-empty": ""} == headers
    assert ["content-type", "set-cookie", "x-empty"] == list(headers)
    assert 3 == len(headers)
    assert headers.get("x-none") is None
    with pytest.raises(KeyError):
        headers["x-none"]
    assert {} == ResponseHeaders()


def test_headers_keep_secrets() -> None:
    """The repr shows names only."""
    assert "<ResponseHeaders content-type, set-cookie, x-empty>" == repr(ResponseHeaders(FIELDS))


def test_payloads_are_frozen() -> None:
    """A listener cannot change what the next listener gets."""
    for payload, name in ((OpenResult(101, ""), "status"), (CloseResult(1000, ""), "code")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(payload, name, 0)


def test_the_same_end_is_equal_whatever_the_cause() -> None:
    """Exceptions do not compare, so the cause counts for nothing; everything else counts."""
    end = CloseResult(1006, "x", clean=False, by="link", cause=OSError())

    assert CloseResult(1006, "x", by="link") == end
    assert CloseResult(1006, "x", by="peer") != end
    assert CloseResult(1006, "x", by="link", clean=True) != end


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_headers_travel_between_processes(protocol: int) -> None:
    """Pickling gives back the same fields."""
    headers = ResponseHeaders(FIELDS)

    assert headers == pickle.loads(pickle.dumps(headers, protocol))
