"""The judgement of a server's answer to the upgrade request (RFC 6455 section 4.1)."""

import base64
import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence

from trio_ohws._wire.deflate import Deflate, negotiate
from trio_ohws._wire.http1 import ResponseHead
from trio_ohws.errors import printable

__all__ = ["Refusal", "accept_key", "canonical_head", "check_answer", "check_extensions", "request_key"]

_key_line = re.compile(rb"\r\nsec-websocket-key:[\t ]*(.*?)[\t ]*\r\n", re.IGNORECASE).search
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Refusal(Exception):
    """The connection was not upgraded.

    Attributes:
        status: the HTTP status known by then, 0 if none.
        headers: those of the answer, if it was read in full; secrets.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
        self.headers: Sequence[tuple[str, str]] = ()


def request_key(request: bytes) -> bytes:
    """Return the Sec-WebSocket-Key of a request head."""
    if found := _key_line(request):
        return found[1]
    raise ValueError("the request has no Sec-WebSocket-Key")


def accept_key(key: bytes) -> str:
    """Return the Sec-WebSocket-Accept that answers `key`."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()).decode()


def check_answer(head: ResponseHead, accept: str, offered: Sequence[str]) -> str | None:
    """Return the subprotocol that the server chose, or None.

    Args:
        head: the final response.
        accept: what answers the request's key.
        offered: the subprotocols of the request.

    Raises:
        Refusal: the server did not switch, or not to what was asked.
    """
    status = head.status
    if status != 101:
        raise Refusal(f"server answered {status} {_printable(head.reason)}".rstrip(), status)
    if head.version[0] != 1 or head.version < (1, 1):
        version = "{}.{}".format(*head.version)
        raise Refusal(f"server answered 101 by HTTP/{version}, which cannot switch protocols", status)
    values: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in head.headers:
        values[name].append(value)
    if [value.lower() for value in values["upgrade"]] != ["websocket"]:
        raise Refusal("server answered 101 without 'Upgrade: websocket'", status)
    if "upgrade" not in [token.strip().lower() for token in ",".join(values["connection"]).split(",")]:
        raise Refusal("server answered 101 without 'Connection: Upgrade'", status)
    if values["sec-websocket-accept"] != [accept]:
        raise Refusal("server answered 101 with a bad Sec-WebSocket-Accept", status)
    chosen = values["sec-websocket-protocol"]
    if not chosen:
        return None
    if len(chosen) > 1 or chosen[0] not in offered:
        raise Refusal("server answered 101 with a subprotocol that was not offered", status)
    return chosen[0]


def check_extensions(head: ResponseHead, *, deflate: bool) -> Deflate | None:
    """Return what was agreed on compression, or None.

    Args:
        head: the final response.
        deflate: permessage-deflate was offered; nothing else ever is.

    Raises:
        Refusal: the server chose what was not offered.

    Source: RFC 6455 section 9.1, RFC 7692 sections 5.1 and 7.1.
    """
    values = [value for name, value in head.headers if name == "sec-websocket-extensions"]
    if not values:
        return None
    if not deflate:
        raise Refusal("server answered 101 with an extension that was not offered", head.status)
    try:
        return negotiate(", ".join(values))
    except ValueError as error:
        words = f"server answered 101 with extensions that were not offered: {_printable(str(error))}"
        raise Refusal(words, head.status) from None


def _printable(text: str) -> str:
    """The peer's words, fit for a log: short, and without surprises."""
    return printable(text[:80])


def canonical_head(accept: str, subprotocol: str | None) -> bytes:
    """Return the answer that says the same as the judged one, and that no parser can object to."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
