"""The time without a stable connection: how often, how long, and when it is enough."""

import math
from dataclasses import dataclass, field
from typing import Final

from trio_ohws.errors import ConnectionLost, UpgradeRefused
from trio_ohws.reconnect.backoff import Backoff
from trio_ohws.reconnect.retry_after import retry_after

__all__ = ["Outage"]

# Seconds: a server, or a stranger's portal that answers in its place, must not send us to sleep for years.
_MOST_ASKED_S: Final = 3600.0


@dataclass(slots=True)
class Outage:
    """It begins when a stable connection is lost, and ends when another has proved stable.

    A server that accepts and hangs up again and again is the same outage all the while.

    Args:
        backoff: how long to wait.
        stable_after: seconds for which a connection has to last.
        give_up_after: seconds after which it is enough, or None.
        max_attempts: attempts after which it is enough, or None.
        since: when it began.
    """

    backoff: Backoff
    stable_after: float
    give_up_after: float | None
    max_attempts: int | None
    since: float
    attempts: int = field(default=0, init=False)
    failures: int = field(default=0, init=False)

    @property
    def deadline(self) -> float:
        """When it is enough."""
        return math.inf if self.give_up_after is None else self.since + self.give_up_after

    def lost(self, began: float, ended: float) -> None:
        """A connection has ended.

        Args:
            began: when it was made.
            ended: now.
        """
        if ended - began >= self.stable_after:
            self.attempts = self.failures = 0
            self.since = ended

    def delay(self, error: Exception, now: float) -> float:
        """Return how many seconds to wait before the next attempt.

        Args:
            error: why there is no connection.
            now: the time.

        Raises:
            ConnectionLost: it is enough, or would be before that attempt.
        """
        self.failures += 1
        if self.max_attempts is not None and self.attempts >= self.max_attempts:
            raise self.given_up(error)
        asked = retry_after(error.headers) if isinstance(error, UpgradeRefused) else None
        # A server that asks for no wait at all does not get a client that makes none.
        delay = min(asked, _MOST_ASKED_S) if asked else self.backoff.delay(self.failures)
        if now + delay >= self.deadline:
            raise self.given_up(error)
        return delay

    def given_up(self, cause: Exception | None) -> ConnectionLost:
        """Return the error that says that it is enough.

        Args:
            cause: the last reason why there is no connection, or None.
        """
        if self.max_attempts is not None and self.attempts >= self.max_attempts:
            error = ConnectionLost(f"no stable connection by {self.max_attempts} attempts")
        else:
            error = ConnectionLost(f"no stable connection within {self.give_up_after:g} s")
        error.__cause__ = cause
        return error
