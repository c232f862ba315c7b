"""What kind of error it was, in one word."""

import socket
import ssl

import pytest
import trio

from trio_ohws import BusinessError, CloseResult, ResponseHeaders, UpgradeRefused
from trio_ohws._wire.frames import Violation
from trio_ohws._wire.upgrade import Refusal
from trio_ohws.errors import failure
from trio_ohws.instruments.error_type import type_of_end, type_of_refusal


def because(error: BaseException, *causes: BaseException) -> BaseException:
    """Chain errors as ``raise ... from`` does; return the first."""
    effect = error
    for cause in causes:
        effect.__cause__ = cause
        effect = cause
    return error


REFUSALS = [
    (UpgradeRefused("no", 403, ResponseHeaders()), "403"),
    (because(failure(2302999, "x", "0"), ConnectionRefusedError()), "ConnectionRefusedError"),
    (because(failure(2302999, "x", "0"), Refusal("x", 0), EOFError()), "EOFError"),
    (because(failure(2302999, "x", "0"), OSError(), socket.gaierror()), "socket.gaierror"),
    (because(failure(2302999, "x", "0"), ssl.SSLCertVerificationError()), "ssl.SSLCertVerificationError"),
    (because(failure(2302999, "x", "0"), Refusal("x", 0)), "2302999"),
    (failure(2302998, "x"), "2302998"),
    (ValueError("of a dial of one's own"), "ValueError"),
    (trio.BrokenResourceError(), "trio.BrokenResourceError"),
]

ENDS = [
    (CloseResult(1000, "", clean=True, by="local"), None),
    (CloseResult(4001, "", clean=False, by="local"), None),
    (CloseResult(1000, "", clean=True, by="peer"), None),
    (CloseResult(1001, "", clean=True, by="peer"), None),
    (CloseResult(1005, "", clean=True, by="peer"), None),
    (CloseResult(1011, "", clean=True, by="peer"), "1011"),
    (CloseResult(1006, "", by="link"), "1006"),
    (CloseResult(1006, "", by="link", cause=ConnectionResetError()), "ConnectionResetError"),
    (CloseResult(1006, "", by="link", cause=TimeoutError()), "TimeoutError"),
    (CloseResult(1002, "", by="local", cause=Violation(1002, "x")), "1002"),
    (CloseResult(1001, "", by="local", cause=KeyError("of a callback")), "KeyError"),
]


@pytest.mark.parametrize(("error", "expected"), REFUSALS, ids=repr)
def test_a_refusal_is_a_status_a_class_or_a_code(error: Exception, expected: str) -> None:
    """The most telling word that does not change with each attempt."""
    assert expected == type_of_refusal(error)


@pytest.mark.parametrize(("result", "expected"), ENDS, ids=repr)
def test_an_end_is_a_class_a_code_or_no_error(result: CloseResult, expected: str | None) -> None:
    """A goodbye is no error, whoever said it; what broke has its cause, or its code."""
    assert expected == type_of_end(result)


def test_an_error_of_ours_that_nobody_knows_is_other() -> None:
    """As OpenTelemetry asks for what has no name."""

    class Strange(Exception):
        """No BusinessError."""

    Strange.__module__ = "trio_ohws.strange"

    assert "_OTHER" == type_of_refusal(Strange())
    assert not isinstance(Strange(), BusinessError)
