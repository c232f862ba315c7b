"""What the listeners of a socket were told, as one list in the order of telling."""

from collections.abc import Callable
from typing import get_args

from trio_ohws import BusinessError, CloseResult, OpenResult, ResponseHeaders, WebSocket
from trio_ohws.events.model import EventName, Message

EVENTS: tuple[EventName, ...] = get_args(EventName)


class Journal:
    """Listens to events, and writes down what each callback is called with.

    Args:
        ws: whose events.
        but: the events that it does not listen to; without "message" the socket stays in pull mode.
    """

    def __init__(self, ws: WebSocket, but: tuple[EventName, ...] = ()) -> None:
        self.entries: list[tuple[object, ...]] = []
        notes: dict[EventName, Callable[..., None]] = {
            "headerReceive": self._header_receive,
            "open": self._open,
            "message": self._message,
            "dataEnd": self._data_end,
            "error": self._error,
            "close": self._close,
        }
        for name in notes.keys() - set(but):
            ws.on(name, notes[name])

    def names(self) -> list[object]:
        """Return the events without what they carried."""
        return [entry[0] for entry in self.entries]

    def _header_receive(self, headers: ResponseHeaders) -> None:
        self.entries.append(("headerReceive", headers["upgrade"]))

    def _open(self, err: None, value: OpenResult) -> None:
        assert err is None
        self.entries.append(("open", value.status, value.message))

    def _message(self, err: None, value: Message) -> None:
        assert err is None
        self.entries.append(("message", value))

    def _data_end(self) -> None:
        self.entries.append(("dataEnd",))

    def _error(self, err: BusinessError) -> None:
        assert err.message == "Websocket connect failed."
        self.entries.append(("error", err.code, err.data))

    def _close(self, err: None, value: CloseResult) -> None:
        assert err is None
        self.entries.append(("close", value.code, value.reason))


CONNECTED: list[tuple[object, ...]] = [("headerReceive", "websocket"), ("open", 101, "Switching Protocols")]
"""What is told when a connection is made."""
