"""What kind of error it was, in one word: OpenTelemetry's ``error.type``.

Its values must be few, so they are statuses, codes and names of classes, never messages.
"""

from trio_ohws.errors import BusinessError, UpgradeRefused
from trio_ohws.events.model import CloseResult

__all__ = ["type_of_end", "type_of_refusal"]

_GOODBYES = (1000, 1001, 1005)  # with which a peer closes as it should


def type_of_refusal(error: Exception) -> str:
    """Return the HTTP status, else the class of the first cause, else OHOS's code."""
    if isinstance(error, UpgradeRefused):
        return str(error.status)
    return _foreign_class(error) or (str(error.code) if isinstance(error, BusinessError) else "_OTHER")


def type_of_end(result: CloseResult) -> str | None:
    """Return the class of the first cause, else the close code; None if it was no error."""
    if result.cause is not None:
        return _foreign_class(result.cause) or str(result.code)
    if result.by == "local" or (result.by == "peer" and result.code in _GOODBYES):
        return None
    return str(result.code)


def _foreign_class(error: BaseException) -> str | None:
    """Return the class of what `error` was raised from in the end, unless it is one of ours."""
    while error.__cause__ is not None:
        error = error.__cause__
    cls = type(error)
    if cls.__module__ == "builtins":
        return cls.__qualname__
    return None if cls.__module__.split(".")[0] == "trio_ohws" else f"{cls.__module__}.{cls.__qualname__}"
