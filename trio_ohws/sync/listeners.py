"""The callbacks of a blocking socket's events, as listeners of the async one below it."""

from collections import deque

from trio_ohws.errors import PARAMETER_ERROR, failure
from trio_ohws.events.emitter import is_async, pieces
from trio_ohws.events.model import EVENT_NAMES, EventName, Listener, Message
from trio_ohws.sync.calls import STREAMED, Calls, Forward
from trio_ohws.websocket import WebSocket

__all__ = ["Listeners", "check_callback"]


class Listeners:
    """Who is registered; to be used where the async socket is.

    Args:
        ws: where.
        calls: where the callbacks go.
        kept: messages that were taken from `ws` already, and not yet asked for.
        fragment_size: the socket's.
    """

    def __init__(self, ws: WebSocket, calls: Calls, kept: deque[Message], fragment_size: int | None) -> None:
        self._ws = ws
        self._calls = calls
        self._kept = kept
        self._fragment_size = fragment_size
        self._registered: dict[str, list[Forward]] = {name: [] for name in EVENT_NAMES}

    def on(self, name: EventName, callback: Listener, *, once: bool) -> None:
        """Register; see `trio_ohws.sync.WebSocket.on`."""
        forward = Forward(self._calls, name, callback, once=once)
        if name == "message":
            self._tell_kept(forward)
        if not forward.spent:
            register = self._ws.once if once else self._ws.on
            register(name, forward)
            if name in STREAMED:
                register(name, forward.hold_up)
            self._registered[name] = [*self._active(name), forward]

    def _tell_kept(self, forward: Forward) -> None:
        """Tell of the messages that are kept: they are older than any that the async socket has."""
        while self._kept and not forward.spent:
            message = self._kept.popleft()
            size = self._fragment_size
            for piece in [message] if size is None else pieces(message, size):
                if not forward.spent:
                    forward(None, piece)

    def off(self, name: EventName, callback: Listener | None) -> None:
        """Cancel one registration, or all, and forget their calls; see `trio_ohws.sync.WebSocket.off`."""
        self._ws.off(name, callback)  # all of them, or no more than a look at the name
        registered = self._active(name)
        cancelled = [forward for forward in registered if callback in (None, forward.callback)]
        for forward in cancelled if callback is None else cancelled[:1]:
            forward.active = False
            self._ws.off(name, forward)
            self._ws.off(name, forward.hold_up)
        self._registered[name] = [forward for forward in registered if forward.active]

    def _active(self, name: EventName) -> list[Forward]:
        return [forward for forward in self._registered[name] if not forward.spent]


def check_callback(callback: object) -> None:
    """Refuse what a thread cannot call.

    Raises:
        BusinessError: 401.
    """
    if not callable(callback):
        raise failure(PARAMETER_ERROR, f"callback must be callable, not {type(callback).__name__}")
    if is_async(callback):
        raise failure(PARAMETER_ERROR, "callback must be a plain function here, not an 'async def'")
