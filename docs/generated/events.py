"""What each event carries: arguments as they were told, the type as `subscribe` promises it."""

from typing import get_args, get_overloads, get_type_hints

from generated.scenarios import SCENARIOS, play
from trio_ohws import BusinessError, WebSocket
from trio_ohws.events.model import EventName

__all__ = ["events"]


def events() -> str:
    """Return a table of the events."""
    told = [
        event
        for words in ("the server cannot be reached", "a message", "we close")
        for event in play(SCENARIOS[words]).events
    ]
    heard = dict(told)
    rows = [
        "| event | a callback is called with | its value, and what a stream yields |",
        "| --- | --- | --- |",
    ]
    rows += [f"| `{name}` | `({_shape(heard[name])})` | {_payload(name)} |" for name in get_args(EventName)]
    return "\n".join(rows)


def _shape(arguments: tuple[object, ...]) -> str:
    if len(arguments) == 2:
        return "err, value"  # err is None
    return "".join("err" if isinstance(one, BusinessError) else "value" for one in arguments)


def _payload(name: str) -> str:
    for promise in get_overloads(WebSocket.subscribe):
        hints = get_type_hints(promise)
        if get_args(hints["type"]) == (name,):
            (payload,) = get_args(hints["return"])
            if isinstance(payload, type) and payload.__module__ == "trio_ohws":
                role = "exc" if issubclass(payload, Exception) else "class"
                return f"{{py:{role}}}`~trio_ohws.{payload.__name__}`"
            return "`None`" if payload is type(None) else f"`{payload}`".replace("|", r"\|")
    raise LookupError(f"subscribe has no overload for {name!r}")
