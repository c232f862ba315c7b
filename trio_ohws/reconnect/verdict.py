"""Whether it is any use to try again."""

import ssl
from typing import Final

import trio

from trio_ohws.errors import UNKNOWN_ERROR, BusinessError, ConnectionLost, EndOfMessages, UpgradeRefused

__all__ = ["FINAL_CLOSE_CODES", "TRANSIENT_STATUSES", "is_transient"]

TRANSIENT_STATUSES: Final = frozenset({408, 425, 429, *range(500, 600)} - {501, 505})
"""HTTP statuses that may be others the next time: too early, too much, or trouble of the server's own."""

FINAL_CLOSE_CODES: Final = frozenset(
    {
        1000,  # all is said
        1002,  # one side does not understand the other, and will not the next time
        1003,
        1005,  # a Close without a code, which is a plain goodbye too
        1007,
        1008,  # what servers say to who may not
        1009,
        1010,
        3000,  # unauthorized, by IANA's registry
        3003,  # forbidden
    }
)
"""Close codes after which the same would only happen again; after all others we come back."""


def is_transient(error: Exception) -> bool:
    """Tell whether to try again: what `open_reconnecting` does unless it is told otherwise.

    Args:
        error: why there is no connection: what `WebSocket.connect` would raise; what `WebSocket.receive`
            would when a connection has ended, with its ``close_code``; or what your own functions for the
            URL and the options raised.

    Returns:
        True for what may be different the next time. Of HTTP answers 408, 425, 429, and 5xx but 501 and 505;
        of close codes all but 1000, 1002, 1003, 1005, 1007 to 1010, 3000 and 3003; whatever kept us from
        reaching the server, but for a certificate that failed verification; ``OSError``,
        ``trio.BrokenResourceError`` and ``trio.TooSlowError`` of your own functions.

    Source: beyond OHOS; RFC 6455 section 7.4.1, RFC 9110 section 15.
    """
    if isinstance(error, UpgradeRefused):
        return error.status in TRANSIENT_STATUSES
    if isinstance(error, ConnectionLost | EndOfMessages):
        return error.close_code not in FINAL_CLOSE_CODES
    if isinstance(error, BusinessError):
        return error.code == UNKNOWN_ERROR and not _is_about_a_certificate(error)
    return isinstance(error, OSError | trio.BrokenResourceError | trio.TooSlowError)


def _is_about_a_certificate(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__
    return cause is not None
