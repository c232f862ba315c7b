"""How a connection ends, and what whoever still wants to use it is told."""

import math
from dataclasses import dataclass
from typing import Literal

from trio_ohws.errors import (
    UNKNOWN_ERROR,
    AlreadyClosed,
    BusinessError,
    ConnectionLost,
    EndOfMessages,
    failure,
)

__all__ = ["Ending", "attempt_failed"]


@dataclass(slots=True)
class Ending:
    """Why a connection is going to end, and how long that may take.

    It knows nothing of the connection, so that what has to give the reason later does not hold on to that.
    """

    code: int
    reason: str
    by: Literal["local", "peer", "link"]
    flush_s: float = 0  # seconds for our Close frame, and what is queued before it, to be written
    answer_s: float = 0  # seconds after that for the peer's Close, and its EOF
    within_s: float = math.inf  # seconds for both
    broken: bool = False  # this is an error, and told as one
    half_close: bool = False
    cause: BaseException | None = None

    def gone(self) -> BusinessError:
        """Return a fresh error for who wants to use the connection."""
        error: BusinessError
        if self.by == "local" and not self.broken:
            error = AlreadyClosed(f"the socket was closed with {self._words()}", self.code)
        elif self.by == "link":
            error = ConnectionLost("the link is down", self.code)
        elif self.by == "peer":
            error = ConnectionLost(f"the peer closed with {self._words()}", self.code)
        else:
            error = ConnectionLost(f"the peer broke the protocol: {self.reason}", self.code)
        error.__cause__ = self.cause
        return error

    def end_of_messages(self) -> BusinessError:
        """Return a fresh error for who wants another message."""
        if self.by == "local" and not self.broken:
            return EndOfMessages(f"the socket was closed with {self._words()}", self.code)
        if self.by == "peer" and self.code in (1000, 1001, 1005):
            return EndOfMessages(f"the peer closed with {self._words()}", self.code)
        return self.gone()

    def _words(self) -> str:
        return f"{self.code} {self.reason!r}" if self.reason else str(self.code)


def attempt_failed() -> BusinessError:
    """Return a fresh error for who wants to use what has never been a connection."""
    return failure(UNKNOWN_ERROR, "the connection attempt failed")
