"""A message as a line: for people, for a pipe, and as JSON."""

import base64
import binascii
import json
from typing import Any, Final

from trio_ohws.cli.escape import escaped
from trio_ohws.events.model import Message
from trio_ohws.options import WebSocketCloseOptions, close_options

__all__ = ["as_json", "as_plain", "for_people", "from_json"]

_MAX_HEX: Final = 256
"""Bytes of a binary message that people are shown."""


def as_plain(message: Message, seconds: float | None) -> bytes:
    """Return what a pipe gets: text and a line break, or the bytes alone; `seconds` go before text."""
    if isinstance(message, bytes):
        return message
    stamp = "" if seconds is None else f"{seconds:.6f} "
    return f"{stamp}{message}\n".encode()


def as_json(message: Message, seconds: float | None) -> bytes:
    """Return an object on a line of its own; `data` of a binary message is base64."""
    entry: dict[str, Any] = {} if seconds is None else {"time": round(seconds, 6)}
    if isinstance(message, str):
        entry |= {"type": "text", "data": message}
    else:
        entry |= {"type": "binary", "data": base64.b64encode(message).decode()}
    return json.dumps(entry, ensure_ascii=False).encode() + b"\n"


def from_json(line: str) -> Message | WebSocketCloseOptions:
    """Read an object as `as_json` writes it, or of the type "close" with "code" and "reason".

    Raises:
        ValueError: it is none, and the message says what is wrong.
        BusinessError: 401, code or reason may not be sent.
    """
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg}") from None
    if not isinstance(entry, dict):
        raise ValueError('no JSON object, such as {"type": "text", "data": "hello"}')  # noqa: TRY004  # about the text
    if entry.get("type") == "close":
        return close_options({name: entry[name] for name in ("code", "reason") if name in entry})
    data = entry.get("data")
    if not isinstance(data, str):
        raise ValueError('"data" must be a string')  # noqa: TRY004  # as above
    if entry.get("type") == "text":
        return data
    if entry.get("type") != "binary":
        raise ValueError('"type" must be "text", "binary" or "close"')
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        raise ValueError('"data" of a binary message must be base64') from None


def for_people(message: Message) -> str:
    """Return one line in which nothing can move a cursor; bytes are hexadecimal."""
    if isinstance(message, str):
        return escaped(message)
    rest = len(message) - _MAX_HEX
    more = f" ... and {rest} bytes more" if rest > 0 else ""
    return f"{message[:_MAX_HEX].hex(' ')}{more} ({len(message)} bytes)" if message else "(0 bytes)"
