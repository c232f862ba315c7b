"""What `open_reconnecting` was asked for."""

import inspect
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar, get_args

from trio_ohws.reconnect.backoff import Backoff
from trio_ohws.reconnect.connection import Connection
from trio_ohws.reconnect.verdict import is_transient
from trio_ohws.websocket import RequestOptions

__all__ = ["OUTBOXES", "Outbox", "Plan", "resolved"]

T = TypeVar("T")

Outbox = Literal["keep", "drop", "fail"]
OUTBOXES: Final[tuple[str, ...]] = get_args(Outbox)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The arguments of `open_reconnecting`, which documents them; checked here, once.

    Raises:
        TypeError: a value is of the wrong type.
        ValueError: a value is out of range.
    """

    url: str | Callable[[int], str | Awaitable[str]]
    options: RequestOptions | Callable[[int], RequestOptions | Awaitable[RequestOptions]] = None
    backoff: Backoff = Backoff()  # noqa: RUF009  # frozen
    stable_after: float = 30
    should_retry: Callable[[Exception], bool] = is_transient
    on_connected: Callable[[Connection], Awaitable[object] | object] | None = None
    outbox: Outbox = "keep"
    give_up_after: float | None = None
    max_attempts: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.backoff, Backoff):
            raise TypeError(f"backoff must be a Backoff, not {type(self.backoff).__name__}")
        for name in ("should_retry", "on_connected"):
            value = getattr(self, name)
            if not callable(value) and not (name == "on_connected" and value is None):
                raise TypeError(f"{name} must be callable, not {type(value).__name__}")
        if self.outbox not in OUTBOXES:
            raise ValueError(f"outbox must be one of {', '.join(OUTBOXES)}, not {self.outbox!r}")
        _check_number("stable_after", self.stable_after, 0)
        if self.give_up_after is not None:
            _check_number("give_up_after", self.give_up_after, 0)
        if self.max_attempts is not None:
            _check_number("max_attempts", self.max_attempts, 1)


def _check_number(name: str, value: object, least: int) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    if math.isnan(value) or value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")


async def resolved(value: Any, argument: object) -> Any:
    """Return `value`, or what it returns if it can be called; awaited, if it is to be."""
    result = value(argument) if callable(value) else value
    return await result if inspect.isawaitable(result) else result
