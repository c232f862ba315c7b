"""The states of a socket, and the ways between them."""

from enum import StrEnum
from typing import Final

__all__ = ["TRANSITIONS", "State"]


class State(StrEnum):
    """Where a socket stands. A member equals its name in lower case: ``ws.state == "open"``."""

    IDLE = "idle"  #: never connected
    CONNECTING = "connecting"  #: from the call of connect on
    OPEN = "open"  #: from just before the `open` event
    CLOSING = "closing"  #: a Close frame was queued or received, or the link broke
    CLOSED = "closed"  #: the transport is released; from just before the `close` event


# A session goes one way only. The same socket begins again with a new session, at CONNECTING.
TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    State.IDLE: frozenset(),
    State.CONNECTING: frozenset({State.OPEN, State.CLOSED}),
    State.OPEN: frozenset({State.CLOSING}),
    State.CLOSING: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}
