"""What an error drags along."""

from collections.abc import Iterator


def chain(error: BaseException) -> Iterator[BaseException]:
    """Return an error, then all that it keeps as its cause or context, printed in a traceback or not.

    Tools that collect errors look at more than what a traceback prints.
    """
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
