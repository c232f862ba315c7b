"""What is worth another attempt: the whole table."""

import ssl

import pytest
import trio

from trio_ohws import BusinessError, ConnectionLost, EndOfMessages, UpgradeRefused
from trio_ohws.errors import TEXTS, failure
from trio_ohws.reconnect import is_transient
from trio_ohws.reconnect.verdict import FINAL_CLOSE_CODES, TRANSIENT_STATUSES


def test_statuses() -> None:
    """Of all statuses these are transient."""
    transient = {
        status for status in range(100, 1000) if is_transient(UpgradeRefused("server answered", status))
    }

    assert {408, 425, 429, 500, 502, 503, 504} <= transient
    assert set() == transient & {101, 200, 301, 302, 400, 401, 403, 404, 407, 410, 426, 501, 505}
    assert TRANSIENT_STATUSES == transient
    assert set(range(400)) | {*range(400, 500)} - {408, 425, 429} | {501, 505} == set(range(600)) - transient


@pytest.mark.parametrize("kind", [ConnectionLost, EndOfMessages])
def test_close_codes(kind: type[ConnectionLost | EndOfMessages]) -> None:
    """Of all close codes these are final, whoever sent them; a link that broke is not."""
    final = {code for code in range(1000, 5000) if not is_transient(kind("closed", code))}

    assert {1000, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 3000, 3003} == final
    assert FINAL_CLOSE_CODES == final
    assert is_transient(kind("the link is down", 1006))
    assert is_transient(kind("who knows"))


def test_openharmonys_codes() -> None:
    """What was wrong before a packet left is wrong the next time; what the network did is not."""
    codes = {code for code in TEXTS if is_transient(BusinessError(code))}

    assert {2302999} == codes


def test_a_certificate_that_failed_verification() -> None:
    """It is final, however deep below it is found; other trouble with TLS is the network's."""
    error = failure(2302999, "TLS", "0")
    error.__cause__ = trio.BrokenResourceError()
    error.__cause__.__cause__ = ssl.SSLCertVerificationError()

    assert not is_transient(error)
    error.__cause__.__cause__ = ssl.SSLEOFError()
    assert is_transient(error)


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (OSError(), True),
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (trio.TooSlowError(), True),
        (trio.BrokenResourceError(), True),
        (trio.ClosedResourceError(), False),
        (ValueError(), False),
        (KeyError(), False),
    ],
    ids=repr,
)
def test_what_the_programs_own_functions_raise(error: Exception, transient: bool) -> None:
    """The network's errors are transient, mistakes are not."""
    assert transient is is_transient(error)
