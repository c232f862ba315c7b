"""Telling that a consumer has been slow for so long that somebody should know."""

import logging
from typing import Final, Protocol

import trio

__all__ = ["SLOW_CONSUMER_S", "Parking", "warn_once"]

SLOW_CONSUMER_S: Final = 30.0

logger: Final = logging.getLogger("trio_ohws")


class Parking(Protocol):
    """Who may be waiting for a consumer."""

    @property
    def parked_since(self) -> float | None:
        """Since when; None while it is not waiting."""


async def warn_once(parking: Parking) -> None:
    """Log one warning as soon as `parking` has been waiting for `SLOW_CONSUMER_S` without a break.

    It looks again after as long as that at most, so it sees each wait that lasts long enough in time. A
    timer for each wait would cost more than the wait does, and a fast peer makes a hundred thousand a second.
    """
    while True:
        since = parking.parked_since
        now = trio.current_time()
        due = (now if since is None else since) + SLOW_CONSUMER_S
        if due <= now:
            logger.warning(
                "messages have been waiting for their consumer for %g s; until it reads on, "
                "neither the peer's Close nor its pongs are seen",
                SLOW_CONSUMER_S,
            )
            return
        await trio.sleep_until(due)
