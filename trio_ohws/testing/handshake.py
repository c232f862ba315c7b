"""The server's half of the opening handshake."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType

__all__ = ["HandshakeRequest", "accepting_head", "parse_request", "rejecting_answer"]

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(frozen=True, slots=True)
class HandshakeRequest:
    """What the client asked for.

    Attributes:
        target: path and query, as in the request line.
        headers: by lower-case name; the values of a repeated one are joined by ``", "``.
        head: the bytes, without the empty line at the end.

    Source: RFC 6455 section 4.1.
    """

    target: str = field(repr=False)  # tokens travel in all of this, and reprs end up in logs
    headers: Mapping[str, str] = field(repr=False)
    head: bytes = field(repr=False)

    @property
    def subprotocols(self) -> list[str]:
        """What the client offers, in its order."""
        offered = self.headers.get("sec-websocket-protocol", "")
        return [name.strip() for name in offered.split(",") if name.strip()]


def parse_request(head: bytes) -> HandshakeRequest:
    """Read a request head, which ends before its empty line."""
    first, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        key = name.lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return HandshakeRequest(first.split(" ")[1], MappingProxyType(headers), head)


def accepting_head(
    request: HandshakeRequest,
    headers: Iterable[tuple[str, str]] = (),
    status: str = "101 Switching Protocols",
) -> bytes:
    """Return the answer that upgrades; `headers` come after, or in the place of, those that it needs."""
    key = request.headers["sec-websocket-key"]
    digest = hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()
    needed = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", base64.b64encode(digest).decode()),
    ]
    further = list(headers)
    given = {name.lower() for name, _ in further}
    return _head(status, [one for one in needed if one[0].lower() not in given] + further)


def rejecting_answer(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """Return an answer that does not upgrade."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    fields = [("Content-Length", str(len(body))), ("Connection", "close"), *headers]
    return _head(f"{status} {phrase}", fields) + body


def _head(status: str, headers: Iterable[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
