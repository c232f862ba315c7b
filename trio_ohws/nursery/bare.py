"""Errors out of a nursery of ours: one comes out bare, several come out as the group."""

from collections.abc import Iterator
from contextlib import contextmanager

import trio

__all__ = ["bare_errors"]


@contextmanager
def bare_errors() -> Iterator[None]:
    """Take one level of grouping off, if there is exactly one real error, or nothing but Cancelled.

    To be put around an ``async with trio.open_nursery()``, whose user does not know that there is a nursery.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        if len(_real_errors(group)) > 1:
            raise
        # In one expression: a variable of this frame would hold the error whose traceback holds the frame.
        _raise_again((_real_errors(group) or [_first_leaf(group)])[0])


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
