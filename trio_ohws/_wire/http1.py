"""The head of an HTTP/1.1 response, read strictly (RFC 9112 sections 2 to 5)."""

import re
from typing import Final, NamedTuple

__all__ = ["HEAD_LIMIT", "HeadParser", "MalformedHead", "ResponseHead"]

HEAD_LIMIT: Final = 65536  # bytes, of the interim responses too

_bare_line_feed = re.compile(rb"(?<!\r)\n").search
# Both are for text that was Latin-1.
_status_line = re.compile(r"HTTP/([0-9])\.([0-9]) ([1-9][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?").fullmatch
# `*+` gives nothing back: a line of blanks with a fault at its end is judged in linear time.
_field = re.compile(
    r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*+"
    r"((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[\t ]*"
).fullmatch


class MalformedHead(Exception):
    """What arrived is no response head; `status` is 0, or the status that was read before the fault."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class ResponseHead(NamedTuple):
    """A final response's head; header names are lower case, in the order of arrival."""

    version: tuple[int, int]
    status: int
    reason: str
    headers: list[tuple[str, str]]


class HeadParser:
    """Reads one final response head, and skips the interim ones (1xx but 101) before it."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipped = 0

    @property
    def rest(self) -> bytes:
        """What arrived after the head."""
        return bytes(self._buffer)

    def feed(self, data: bytes | memoryview) -> ResponseHead | None:
        """Take in bytes; return the head once it is complete.

        Raises:
            MalformedHead: this is not HTTP, breaks its rules, or has no end within `HEAD_LIMIT` bytes.
        """
        # An end may begin in the last three bytes. What is before them is not searched again, as a server may
        # send its head byte by byte.
        searched = max(0, len(self._buffer) - 3)
        self._buffer += data
        while True:
            if not self._buffer.startswith(b"HTTP/"[: len(self._buffer)]):
                raise MalformedHead("the answer is not HTTP")
            end = self._buffer.find(b"\r\n\r\n", searched)
            self._refuse_bare_line_feed(searched, end if end >= 0 else len(self._buffer))
            if self._skipped + (len(self._buffer) if end < 0 else end + 4) > HEAD_LIMIT:
                raise MalformedHead(f"the response head is over {HEAD_LIMIT} bytes")
            if end < 0:
                return None
            head = _parse(self._buffer[:end].decode("latin-1"))
            del self._buffer[: end + 4]
            self._skipped += end + 4
            searched = 0
            if head.status >= 200 or head.status == 101:
                return head

    def _refuse_bare_line_feed(self, start: int, end: int) -> None:
        """Refuse it as soon as it is there: who ends lines so never sends the end that is waited for."""
        if found := _bare_line_feed(self._buffer, start, min(end, HEAD_LIMIT - self._skipped)):
            first, crlf, _ = self._buffer[: found.start()].decode("latin-1").partition("\r\n")
            match = _status_line(first) if crlf else None
            status = int(match[3]) if match else 0
            raise MalformedHead("a line of the response head ends with LF, not with CR LF", status)


def _parse(head: str) -> ResponseHead:
    first, *lines = head.split("\r\n")
    match = _status_line(first)
    if match is None:
        raise MalformedHead("the status line is malformed")
    major, minor, status, reason = match.groups()
    headers = []
    for line in lines:
        field = _field(line)
        if field is None:
            raise MalformedHead("a header line is malformed", int(status))
        headers.append((field[1].lower(), field[2]))
    return ResponseHead((int(major), int(minor)), int(status), reason or "", headers)
