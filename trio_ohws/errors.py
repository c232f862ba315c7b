"""What can go wrong, by OpenHarmony's numbers.

The codes and their texts are those of the API document. Programs compare codes; texts are for people, so
ours say in addition what happened. Three kinds have classes of their own because Trio has a word for them
too, and ``except trio.BrokenResourceError`` must work here as it does everywhere in Trio; a fourth because
there is more to say about it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import trio

__all__ = [
    "CERTIFICATE_MISSING",
    "CONNECTION_EXISTS",
    "CONNECT_FAILED",
    "DOMAIN_NOT_ALLOWED",
    "PARAMETER_ERROR",
    "PERMISSION_DENIED",
    "TEXTS",
    "UNKNOWN_ERROR",
    "URL_ERROR",
    "AlreadyClosed",
    "BusinessError",
    "ConnectionLost",
    "EndOfMessages",
    "UpgradeRefused",
    "failure",
    "printable",
]

CONNECT_FAILED: Final = 200
PERMISSION_DENIED: Final = 201
PARAMETER_ERROR: Final = 401
URL_ERROR: Final = 2302001
CERTIFICATE_MISSING: Final = 2302002
CONNECTION_EXISTS: Final = 2302003
DOMAIN_NOT_ALLOWED: Final = 2302998
UNKNOWN_ERROR: Final = 2302999

TEXTS: Final[Mapping[int, str]] = MappingProxyType(
    {
        CONNECT_FAILED: "Websocket connect failed.",
        PERMISSION_DENIED: "Permission denied.",
        PARAMETER_ERROR: "Parameter error.",
        URL_ERROR: "Websocket url error.",
        CERTIFICATE_MISSING: "Websocket certificate file does not exist.",
        CONNECTION_EXISTS: "Websocket connection already exists.",
        DOMAIN_NOT_ALLOWED: "It is not allowed to access this domain.",
        UNKNOWN_ERROR: "Websocket other unknown error.",
    }
)
"""The documented text of each code."""


class BusinessError(Exception):
    """A failure with an OpenHarmony code.

    Args:
        code: One of the codes in ``TEXTS``; others are kept as they are.
        message: What happened, for people; the documented text of the code if None.
        data: The HTTP status known when a connection attempt failed, as a decimal string, ``"0"`` if there
            was none; None (the default) for every other failure.

    Source: the API document's error table, and its ``BusinessError``.
    """

    code: int
    message: str
    data: str | None

    def __init__(self, code: int, message: str | None = None, data: str | None = None) -> None:
        if message is None:
            message = _text(code)
        # These are what pickle and copy call the class with again.
        super().__init__(code, message, data)
        self.code = code
        self.message = message
        self.data = data

    def to_dict(self) -> dict[str, int | str]:
        """Return the plain object that an ArkTS callback would get, ready for JSON."""
        plain: dict[str, int | str] = {"code": self.code, "message": self.message}
        if self.data is not None:
            plain["data"] = self.data
        return plain

    def __str__(self) -> str:
        return f"[{self.code}] {self.message}"

    def __repr__(self) -> str:
        data = "" if self.data is None else f", data={self.data!r}"
        return f"{type(self).__name__}({self.code}, {self.message!r}{data})"


class _KnownEnd(BusinessError):
    """What the three ends of a conversation share: the code, and a constructor that takes the detail."""

    close_code: int | None

    def __init__(self, detail: str, close_code: int | None = None) -> None:
        super().__init__(UNKNOWN_ERROR, _explained(UNKNOWN_ERROR, detail))
        self.args: tuple[str, int | None] = (detail, close_code)
        self.close_code = close_code

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.args[0]!r})"


class ConnectionLost(_KnownEnd, trio.BrokenResourceError):
    """The link broke, or the peer ended it with a code that means trouble.

    Args:
        detail: What happened, for people.
        close_code: The close code of the connection's end, 1006 if the link broke; None if that is not known.
    """


class AlreadyClosed(_KnownEnd, trio.ClosedResourceError):
    """The program itself closed, or never connected, what it now uses.

    Args:
        detail: What happened, for people.
        close_code: The close code of the connection's end, 1006 if the link broke; None if that is not known.
    """


class EndOfMessages(_KnownEnd, trio.EndOfChannel):
    """No message will come any more, and that is as it should be.

    Args:
        detail: What happened, for people.
        close_code: The close code of the connection's end, 1006 if the link broke; None if that is not known.
    """


class UpgradeRefused(BusinessError):
    """The server answered, but did not upgrade the connection to the WebSocket that was asked for.

    Args:
        detail: What happened, for people.
        status: The answer's HTTP status; `data` is the same as a decimal string.
        headers: The answer's headers: lower-case names, a list of values where a name repeats.

    Source: beyond OHOS; RFC 6455 section 4.1.
    """

    status: int
    headers: Mapping[str, str | list[str]]

    def __init__(
        self, detail: str, status: int, headers: Mapping[str, str | list[str]] | None = None
    ) -> None:
        super().__init__(UNKNOWN_ERROR, _explained(UNKNOWN_ERROR, detail), str(status))
        self.args: tuple[str, int, Mapping[str, str | list[str]] | None] = (detail, status, headers)
        self.status = status
        self.headers = {} if headers is None else headers

    def __repr__(self) -> str:
        # Without the headers: a Set-Cookie is a secret.
        return f"{type(self).__name__}({self.args[0]!r}, {self.status})"


def failure(code: int, detail: str, data: str | None = None) -> BusinessError:
    """Make a ``BusinessError`` whose message is the documented text, then what happened.

    Args:
        code: One of the codes in ``TEXTS``.
        detail: What happened, for people, without secrets.
        data: As in ``BusinessError``.

    Returns:
        The error, for the caller to raise.
    """
    return BusinessError(code, _explained(code, detail), data)


def printable(text: str) -> str:
    """Replace what is no character to read: line breaks, what moves a terminal's cursor or turns text round.

    Details may repeat what a peer, or a library that quotes it, has said, and end in a log.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def _text(code: int) -> str:
    return TEXTS.get(code, TEXTS[UNKNOWN_ERROR])


def _explained(code: int, detail: str) -> str:
    return f"{_text(code).removesuffix('.')}: {printable(detail)}"
