"""The events of a WebSocket and what they carry."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

__all__ = [
    "EVENT_NAMES",
    "CloseResult",
    "EventName",
    "Listener",
    "Message",
    "OpenResult",
    "ResponseHeaders",
    "WebSocketOpenInfo",
]

EventName = Literal["open", "openInfo", "message", "close", "error", "dataEnd", "headerReceive"]
EVENT_NAMES: Final[tuple[str, ...]] = get_args(EventName)

Message = str | bytes
Listener = Callable[..., Any] | Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class OpenResult:
    """What the `open` event carries.

    Attributes:
        status: the HTTP status of the answer, 101.
        message: its reason phrase, which the server may have left empty.

    Source: the API document, on('open').
    """

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class WebSocketOpenInfo:
    """What the `openInfo` event carries.

    Attributes:
        status: the HTTP status of the answer, 101.
        message: its reason phrase, which the server may have left empty.
        protocol: the subprotocol that the server chose, or None.

    Source: ``WebSocketOpenInfo`` of ``@ohos.net.webSocket``, level 26.
    """

    status: int
    message: str
    protocol: str | None = None


@dataclass(frozen=True, slots=True)
class CloseResult:
    """How a connection ended: what the `close` event carries.

    Attributes:
        code: the close code; 1005 if the peer sent none, 1006 if the link broke.
        reason: the words that came with it.
        clean: beyond OHOS: both Close frames were exchanged.
        by: beyond OHOS: who ended it, "local", "peer" or "link".
        cause: beyond OHOS: the error that ended it, or None.

    Source: the API document, CloseResult.
    """

    code: int
    reason: str
    clean: bool = False
    by: Literal["local", "peer", "link"] = "local"
    cause: BaseException | None = field(default=None, compare=False)


class ResponseHeaders(Mapping[str, str | list[str]]):
    """The headers of the server's answer: lower-case names, looked up in any case.

    A header that was sent once is a string; one that was repeated is a list of strings.

    Source: the API document, ResponseHeaders.
    """

    __slots__ = ("_values",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, str | list[str]] = {}
        for name, value in fields:
            key = name.lower()
            known = self._values.get(key)
            if known is None:
                self._values[key] = value
            elif isinstance(known, list):
                known.append(value)
            else:
                self._values[key] = [known, value]

    def __getitem__(self, name: str) -> str | list[str]:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __reduce__(self) -> tuple[type["ResponseHeaders"], tuple[list[tuple[str, str]]]]:
        fields = []
        for name, value in self._values.items():
            fields += [(name, one) for one in ([value] if isinstance(value, str) else value)]
        return type(self), (fields,)

    def __repr__(self) -> str:
        # Names only: a Set-Cookie is a secret.
        return f"<ResponseHeaders {', '.join(self._values)}>"
