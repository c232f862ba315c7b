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
        real = [error for error in group.exceptions if not _only_cancelled(error)]
        if len(real) > 1:
            raise
        _raise_again(real[0] if real else _first_leaf(group))


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
