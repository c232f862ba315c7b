"""What may be told about connections as they run, for logs, traces and figures.

`Instrument` is a base class and no Protocol, as `trio.abc.Instrument` is one: who wants to know of two things
defines two methods, a misspelt class is refused by `isinstance` when the socket is made, and a method that is
added here later breaks nobody.
"""

import inspect
from dataclasses import dataclass
from typing import Literal

from trio_ohws.events.model import CloseResult

__all__ = ["ConnectionInfo", "ControlFrame", "Established", "Instrument", "check_instruments"]

ControlFrame = Literal["ping", "pong", "close"]
"""The control frames of RFC 6455 section 5.5, by name."""


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """Which connection it is that an `Instrument` is told of; nothing of it is a secret.

    Attributes:
        id: the number of the attempt among all of this process, from 1 on.
        scheme: "ws" or "wss".
        host: the server's name or address, as in the URL; IPv6 without brackets.
        port: the server's.
    """

    id: int
    scheme: Literal["ws", "wss"]
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Established:
    """What a connection is like, once it is open.

    Attributes:
        seconds: from the beginning of the attempt: DNS, TCP, proxy, TLS and the handshake.
        local_address: host and port of our end, the path of a Unix socket, or None where there is none.
        remote_address: as `local_address`, of the other end, a proxy's where there is one.
        tls_version: what TLS with the server has agreed on, "TLSv1.3" for example; None for ws.
        subprotocol: what the server chose, or None.
        extensions: what was agreed on, with its parameters, as the server wrote it.
    """

    seconds: float
    local_address: tuple[str, int] | str | None = None
    remote_address: tuple[str, int] | str | None = None
    tls_version: str | None = None
    subprotocol: str | None = None
    extensions: tuple[str, ...] = ()


class Instrument:
    """Is told what connections do; derive from it, and define what you want to hear of.

    All methods do nothing here. They are called, not awaited, in the thread and in the tasks of the
    connection, which waits for them: so they should be quick. They must not use the socket. One that raises
    does not hurt the connection: the error is logged, and that socket's connections tell the instrument
    nothing any more.

    One instrument may serve many sockets; the first argument says which connection it is about. Each that is
    `connecting` ends with one call: of `closed` if it was `connected`, of `refused` if not. All others come
    between `connected` and `closed`.

    Source: beyond OHOS; modelled on `trio.abc.Instrument`.
    """

    def connecting(self, connection: ConnectionInfo) -> None:
        """An attempt begins; its arguments were checked.

        It is called where ``connect`` was: context variables are the caller's.

        Args:
            connection: which one.
        """

    def refused(self, connection: ConnectionInfo, error: Exception | None, seconds: float) -> None:
        """An attempt has failed, or was given up.

        Args:
            connection: which one.
            error: what ``connect`` raises; None if it was cancelled, or the socket closed meanwhile.
            seconds: since `connecting`.
        """

    def connected(self, connection: ConnectionInfo, established: Established) -> None:
        """The connection is open; no listener was told yet.

        Args:
            connection: which one.
            established: what it is like.
        """

    def received(self, connection: ConnectionInfo, messages: int, size: int) -> None:
        """The reader is done with what it has read at once: not called for each message.

        Args:
            connection: which one.
            messages: how many were complete with it, and delivered.
            size: bytes read, frame headers and control frames included.
        """

    def sent(self, connection: ConnectionInfo, messages: int, size: int) -> None:
        """Something was written: not called for each message.

        Args:
            connection: which one.
            messages: how many were queued since the last call.
            size: bytes that are with the operating system, frame headers and control frames included.
        """

    def control_received(self, connection: ConnectionInfo, frame: ControlFrame) -> None:
        """A control frame has arrived.

        Args:
            connection: which one.
            frame: "ping", "pong" or "close".
        """

    def control_sent(self, connection: ConnectionInfo, frame: ControlFrame) -> None:
        """A control frame was queued.

        Args:
            connection: which one.
            frame: "ping", "pong" or "close".
        """

    def round_trip(self, connection: ConnectionInfo, seconds: float) -> None:
        """A ping was answered, one of ``ping`` or of the keepalive.

        Args:
            connection: which one.
            seconds: from the ping's write to its pong.
        """

    def parked(self, connection: ConnectionInfo) -> None:
        """The reader has to wait for a slow consumer; until it goes on nothing is received.

        Where consumer and peer are about equally fast this happens very often.

        Args:
            connection: which one.
        """

    def unparked(self, connection: ConnectionInfo, seconds: float) -> None:
        """The reader goes on.

        Args:
            connection: which one.
            seconds: since `parked`.
        """

    def closed(self, connection: ConnectionInfo, result: CloseResult, seconds: float) -> None:
        """The connection has ended and its transport is released; no listener was told yet.

        Args:
            connection: which one.
            result: how it ended.
            seconds: since `connected`.
        """


def check_instruments(value: object) -> None:
    """Refuse what cannot be told anything.

    Raises:
        TypeError: it is no tuple of instruments, or one has a method that would have to be awaited.
    """
    if not isinstance(value, tuple):
        raise TypeError(f"instruments must be a tuple, not {type(value).__name__}")
    for instrument in value:
        if not isinstance(instrument, Instrument):
            raise TypeError(f"instruments must be instances of Instrument, not {type(instrument).__name__}")
        for name, _ in inspect.getmembers(Instrument, inspect.isfunction):
            if inspect.iscoroutinefunction(getattr(instrument, name)):
                whose = type(instrument).__name__
                raise TypeError(f"instruments are called, not awaited: {whose}.{name} must not be async")
