"""What is left behind when a call is cancelled: read from the sections "If cancelled" of the docstrings."""

import inspect
import re
from collections.abc import Iterator

import trio_ohws

__all__ = ["cancelled"]

OWNERS = (trio_ohws.WebSocket, trio_ohws.EventStream)


def cancelled() -> str:
    """Return a table of the calls that may wait."""
    rows = ["| call | if cancelled |", "| --- | --- |"]
    rows += [f"| `{who}` | {_section(documented, who)} |" for who, documented in _coroutines()]
    return "\n".join(rows)


def _coroutines() -> Iterator[tuple[str, object]]:
    yield "open_websocket", trio_ohws.open_websocket
    for owner in OWNERS:
        for name, method in vars(owner).items():
            if not name.startswith("_") and inspect.isfunction(method):
                returned = str(inspect.get_annotations(method)["return"])
                if inspect.iscoroutinefunction(method) or "Coroutine" in returned:
                    yield name if owner is trio_ohws.WebSocket else f"{owner.__name__}.{name}", method


def _section(documented: object, who: str) -> str:
    text = inspect.cleandoc(documented.__doc__ or "")
    found = re.search(r"^If cancelled:\n((?: {4}.*\n?)+)", text, re.MULTILINE)
    if found is None:
        raise LookupError(f"the docstring of {who} does not say what happens if it is cancelled")
    return " ".join(found.group(1).split()).replace("``", "`")
