"""Ctrl-C, and its relatives, end a command as cancellation ends everything in Trio: politely."""

import signal
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from trio_ohws.nursery.bare import bare_errors

__all__ = ["until_interrupted"]

_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


async def until_interrupted(run: Callable[[], Awaitable[int]]) -> int:
    """Run a command; a signal cancels it, so that its sockets say Close 1001 before it ends.

    Args:
        run: returns the exit status.

    Returns:
        What `run` returned, or 128 and the signal's number, as a shell would put it: 130 for Ctrl-C.
    """
    status = 0
    with trio.open_signal_receiver(*_SIGNALS) as signals, bare_errors():
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                nonlocal status
                async for number in signals:
                    status = 128 + number
                    nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            status = await run()
            nursery.cancel_scope.cancel()
    return status
