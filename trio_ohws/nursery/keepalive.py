"""Telling a quiet peer from a dead one."""

import math
from typing import Protocol

import trio

from trio_ohws.nursery.flag import Flag

__all__ = ["Link", "keep_alive"]


class Link(Protocol):
    """What is watched."""

    @property
    def heard_at(self) -> float:
        """The time at which bytes last arrived, or the reader last came back from a slow consumer."""

    @property
    def parked_since(self) -> float | None:
        """Not None while the reader waits for a slow consumer, and so cannot hear."""

    def send_ping(self) -> None:
        """Queue an empty ping."""


async def keep_alive(link: Link, over: Flag, interval: float | None, patience: float | None) -> bool:
    """Watch `link` until `over`; False if the peer did not answer a ping in time.

    Any inbound byte is a sign of life. Time during which the reader is parked does not count.

    Args:
        link: what is watched.
        over: ends the watch.
        interval: seconds of silence after which a ping is sent; None for no pings.
        patience: seconds of silence after the ping from which on the link counts as dead; None for never.
    """
    if interval is None or over.is_set():
        await over.wait()
        return True
    pinged_at: float | None = None  # since then nothing was heard
    while True:
        now = trio.current_time()
        if link.parked_since is not None:
            # Look again later. Nothing is missed: a reader that comes back sets heard_at, so whatever is
            # due then is due no sooner than a whole interval after that.
            pinged_at, due = None, now + interval
        elif pinged_at is not None and link.heard_at < pinged_at:
            broken_at = math.inf if patience is None else pinged_at + patience
            if now >= broken_at:
                return False
            # Look again in time for the next ping, in case that the answer to this one comes soon.
            due = min(broken_at, now + interval)
        else:
            if now >= link.heard_at + interval:
                link.send_ping()
                pinged_at = now
                continue
            pinged_at, due = None, link.heard_at + interval
        with trio.move_on_at(due):
            await over.wait()
            return True
