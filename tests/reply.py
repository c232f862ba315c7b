"""A callback of a method, which remembers what it was called with."""

import trio

from trio_ohws import BusinessError


class Reply:
    """Keeps (code of the error or None, value) of each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, object]] = []
        self.called = trio.Event()

    def __call__(self, err: BusinessError | None, value: object = None) -> None:
        """Be told."""
        self.calls.append((err if err is None else err.code, value))
        self.called.set()


def ignore(err: object = None, value: object = None) -> None:
    """Be told, and do nothing; a callback of any event or method."""
