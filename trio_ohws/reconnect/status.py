"""What a reconnecting socket is doing."""

from dataclasses import dataclass, field

__all__ = ["Connected", "Connecting", "Status", "Stopped", "Waiting"]


@dataclass(frozen=True, slots=True)
class Connecting:
    """An attempt is under way.

    Attributes:
        attempt: its number since the last stable connection, from 1 on.
    """

    attempt: int


@dataclass(frozen=True, slots=True)
class Connected:
    """There is a connection, `on_connected` is through with it, and what was kept is sent.

    Attributes:
        attempt: the number of the attempt that led to it.
    """

    attempt: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """There is none, and the next attempt will come.

    Attributes:
        delay: seconds from the beginning of this wait to the attempt.
        error: why there is no connection.
    """

    delay: float
    error: Exception = field(compare=False)


@dataclass(frozen=True, slots=True)
class Stopped:
    """There will be no connection any more.

    Attributes:
        error: why; None if the program itself closed or left the socket.
    """

    error: Exception | None = field(default=None, compare=False)


Status = Connecting | Connected | Waiting | Stopped
"""Any of the four."""
