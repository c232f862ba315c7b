"""Who ends first: the body of the ``async with``, then the services that it uses."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from trio_ohws.nursery.bare import bare_errors

__all__ = ["body_first"]


@asynccontextmanager
async def body_first(
    farewell: Callable[[], Awaitable[object]], goodbye: Callable[[], Awaitable[object]]
) -> AsyncIterator[trio.Nursery]:
    """Open a nursery for services that end after the body, whatever ends the body.

    Args:
        farewell: awaited when the body ends by itself; as patient as it likes.
        goodbye: awaited in any case, then. If the body or `farewell` was cut short that is under a shield, so
            it must bound its own time; else it has nothing to wait for.

    Yields:
        The nursery. What is sheltered in it outlives a cancellation from outside until `goodbye` is over.
    """
    with bare_errors():
        # Strict, also in a run that is not: else a group of one that the user raised would be unpacked.
        async with trio.open_nursery(strict_exception_groups=True) as nursery:
            try:
                yield nursery
                await farewell()
            except BaseException:
                with trio.CancelScope(shield=True):
                    await goodbye()
                raise
            await goodbye()  # after a farewell; a shield would be 1 % of what connecting costs
