"""Codes, texts, and the classes that are Trio's exceptions too."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable

import pytest
import trio

from trio_ohws.errors import (
    CERTIFICATE_MISSING,
    CONNECT_FAILED,
    CONNECTION_EXISTS,
    DOMAIN_NOT_ALLOWED,
    PARAMETER_ERROR,
    PERMISSION_DENIED,
    TEXTS,
    UNKNOWN_ERROR,
    URL_ERROR,
    AlreadyClosed,
    BusinessError,
    ConnectionLost,
    EndOfMessages,
    UpgradeRefused,
    failure,
)
from trio_ohws.events.model import ResponseHeaders

KINDS = [
    (ConnectionLost, trio.BrokenResourceError),
    (AlreadyClosed, trio.ClosedResourceError),
    (EndOfMessages, trio.EndOfChannel),
]
HEADERS = ResponseHeaders([("Retry-After", "7"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2")])


@pytest.mark.parametrize(
    ("constant", "code", "text"),
    [
        (CONNECT_FAILED, 200, "Websocket connect failed."),
        (PERMISSION_DENIED, 201, "Permission denied."),
        (PARAMETER_ERROR, 401, "Parameter error."),
        (URL_ERROR, 2302001, "Websocket url error."),
        (CERTIFICATE_MISSING, 2302002, "Websocket certificate file does not exist."),
        (CONNECTION_EXISTS, 2302003, "Websocket connection already exists."),
        (DOMAIN_NOT_ALLOWED, 2302998, "It is not allowed to access this domain."),
        (UNKNOWN_ERROR, 2302999, "Websocket other unknown error."),
    ],
)
def test_codes_and_texts_are_those_of_the_api_document(constant: int, code: int, text: str) -> None:
    """Each constant has the documented number, and the number its documented text."""
    error = BusinessError(constant)

    assert (code, text, None) == (error.code, error.message, error.data)
    assert text == TEXTS[code]


def test_every_text_has_been_compared() -> None:
    """The table holds the eight codes above and no other."""
    assert {200, 201, 401, 2302001, 2302002, 2302003, 2302998, 2302999} == set(TEXTS)


def test_an_unlisted_code_keeps_its_number() -> None:
    """A code without a documented text says that the error is unknown, and is not renumbered."""
    error = BusinessError(-1)

    assert (-1, "Websocket other unknown error.") == (error.code, error.message)


def test_failure_says_what_happened_after_the_documented_text() -> None:
    """The message is the text without its period, a colon, and the detail."""
    error = failure(401, "'caPaht' is not an option of connect; did you mean 'caPath'?")

    assert "Parameter error: 'caPaht' is not an option of connect; did you mean 'caPath'?" == error.message
    assert (401, None) == (error.code, error.data)
    assert type(error) is BusinessError


@pytest.mark.parametrize("make", [lambda detail: failure(401, detail), ConnectionLost, AlreadyClosed])
def test_details_are_fit_for_a_log(make: Callable[[str], BusinessError]) -> None:
    """No detail adds a line to a log, moves a cursor or turns text round; letters of any script stay."""
    error = make("Grüße\r\nroot: \x1b[2J\x9b\u202e\u2028\x00 名")

    assert error.message.endswith(": Grüße\ufffd\ufffdroot: \ufffd[2J\ufffd\ufffd\ufffd\ufffd 名")
    assert f"{error}{error!r}".isprintable()


def test_to_dict_is_the_plain_object_of_arkts() -> None:
    """Code and message always, data only where there is some; and JSON can carry it."""
    bare = BusinessError(201).to_dict()
    refused = failure(2302999, "server answered 403 Forbidden", data="403").to_dict()

    assert {"code": 201, "message": "Permission denied."} == bare
    assert {
        "code": 2302999,
        "message": "Websocket other unknown error: server answered 403 Forbidden",
        "data": "403",
    } == refused
    assert refused == json.loads(json.dumps(refused))


def test_str_and_repr_tell_code_and_message() -> None:
    """A traceback names the code; repr is the call that makes the error again."""
    error = BusinessError(2302999, "gone", data="0")

    assert "[2302999] gone" == str(error)
    assert "BusinessError(2302999, 'gone', data='0')" == repr(error)
    assert "BusinessError(401, 'Parameter error.')" == repr(BusinessError(401))
    assert "ConnectionLost('pong timeout')" == repr(ConnectionLost("pong timeout"))


@pytest.mark.parametrize(("kind", "of_trio"), KINDS)
def test_kinds_are_caught_as_trio_s_own(
    kind: type[ConnectionLost | AlreadyClosed | EndOfMessages], of_trio: type[Exception]
) -> None:
    """Each kind is a BusinessError 2302999 and the exception that Trio uses for the same thing."""
    error = kind("the link is down")

    assert isinstance(error, of_trio)
    assert isinstance(error, BusinessError)
    assert (2302999, "Websocket other unknown error: the link is down", None) == (
        error.code,
        error.message,
        error.data,
    )


def test_a_refusal_carries_status_and_headers() -> None:
    """Status as a number and as OHOS's data; headers by any case, and shown nowhere."""
    error = UpgradeRefused("server answered 503", 503, HEADERS)

    assert (2302999, "503", 503) == (error.code, error.data, error.status)
    assert "7" == error.headers["Retry-After"]
    assert "UpgradeRefused('server answered 503', 503)" == repr(error)
    assert {} == UpgradeRefused("x", 403).headers


def test_an_end_carries_its_close_code() -> None:
    """The code if it is known, else None."""
    assert 1012 == ConnectionLost("the peer closed with 1012", 1012).close_code
    assert ConnectionLost("x").close_code is None


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "error",
    [
        BusinessError(401),
        BusinessError(2302999, "m", data="0"),
        failure(2302999, "x", data="403"),
        UpgradeRefused("x", 403, HEADERS),
        *(kind("x", 1006) for kind, _ in KINDS),
    ],
    ids=repr,
)
def test_errors_travel_between_processes(error: BusinessError, protocol: int) -> None:
    """Pickling gives back the same class, arguments, attributes and notes."""
    error.add_note("seen in worker 1")
    back = pickle.loads(pickle.dumps(error, protocol))

    assert type(error) is type(back)
    assert repr(error) == repr(back)
    assert (error.args, vars(error)) == (back.args, vars(back))


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy])
@pytest.mark.parametrize(
    "error",
    [
        failure(2302999, "x", data="0"),
        UpgradeRefused("x", 403, HEADERS),
        *(kind("x", 1006) for kind, _ in KINDS),
    ],
    ids=repr,
)
def test_errors_can_be_copied(make: Callable[[BusinessError], BusinessError], error: BusinessError) -> None:
    """A copy is a different object that says the same."""
    twin = make(error)

    assert twin is not error
    assert (type(error), repr(error), vars(error)) == (type(twin), repr(twin), vars(twin))


def test_the_table_of_texts_is_read_only() -> None:
    """Nobody changes the documented texts at run time."""
    with pytest.raises(TypeError):
        TEXTS[401] = "x"  # type: ignore[index]
