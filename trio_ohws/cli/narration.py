"""What happens to a connection, told on standard error: data has standard output for itself."""

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from trio_ohws.cli.escape import escaped
from trio_ohws.errors import BusinessError
from trio_ohws.events.model import CloseResult, Message, OpenResult, ResponseHeaders, WebSocketOpenInfo
from trio_ohws.websocket import WebSocket

__all__ = ["Narration", "say", "shown_headers"]

_SECRET_HEADERS: Final = frozenset({"set-cookie", "authorization", "proxy-authorization", "cookie"})


class Narration:
    """Tells each event of a socket.

    Args:
        tell: shows a line.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def listen(self, ws: WebSocket) -> None:
        """Tell all events of a socket from now on."""
        ws.on("headerReceive", self._headers)
        ws.on("open", self._open)
        ws.on("openInfo", self._open_info)
        ws.on("message", self._message)
        ws.on("dataEnd", lambda: self._line("dataEnd"))
        ws.on("error", self._error)
        ws.on("close", self._close)

    def _line(self, event: str, words: str = "") -> None:
        self._tell(escaped(f"* {event:<13} {words}".rstrip()))

    def _headers(self, headers: ResponseHeaders) -> None:
        for header in shown_headers(headers):
            self._line("headerReceive", header)

    def _open(self, _: None, value: OpenResult) -> None:
        self._line("open", f"{value.status} {value.message}")

    def _open_info(self, _: None, value: WebSocketOpenInfo) -> None:
        self._line("openInfo", f"{value.status} {value.message}, subprotocol {value.protocol or 'none'}")

    def _message(self, _: None, value: Message) -> None:
        text = isinstance(value, str)
        self._line("message", f"text, {len(value)} characters" if text else f"binary, {len(value)} bytes")

    def _error(self, error: BusinessError) -> None:
        self._line("error", str(error))

    def _close(self, _: None, value: CloseResult) -> None:
        self._line("close", f"{value.code} {value.reason}")


def shown_headers(headers: Mapping[str, str | list[str]]) -> Iterator[str]:
    """Return the lines of a head, without the values of what is secret in it."""
    for name, found in headers.items():
        for value in [found] if isinstance(found, str) else found:
            yield f"{name}: {'(not shown)' if name in _SECRET_HEADERS else value}"


def say(text: str) -> None:
    """Tell the status."""
    print(escaped(text), file=sys.stderr, flush=True)
