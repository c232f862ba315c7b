"""Errors out of a nursery of ours: one comes out bare, several come out as the group."""

from types import TracebackType

import trio

__all__ = ["bare_errors"]


class bare_errors:  # noqa: N801  # as contextlib.suppress: a class, because a generator costs 1 % of connecting
    """Take one level of grouping off, if there is exactly one real error, or nothing but Cancelled.

    To be put around an ``async with trio.open_nursery()``, whose user does not know that there is a nursery.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not isinstance(error, BaseExceptionGroup):
            return
        bare = _real_errors(error) or [_first_leaf(error)]
        if len(bare) > 1:
            return
        del error, traceback  # this frame will be in the traceback of what they hold: a cycle
        _raise_again(bare.pop())


def _real_errors(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [error for error in group.exceptions if not _only_cancelled(error)]


def _only_cancelled(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(map(_only_cancelled, error.exceptions))
    return isinstance(error, trio.Cancelled)


def _first_leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _raise_again(error: BaseException) -> None:
    """Raise `error` with the context that it had, not that of the group it was in."""
    context = error.__context__
    try:
        raise error
    finally:
        error.__context__ = context
        del error, context  # a traceback that holds its own exception is a cycle
