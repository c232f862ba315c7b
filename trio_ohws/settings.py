"""How a socket behaves, apart from where it connects to."""

import math
import ssl
from dataclasses import dataclass, replace
from typing import Literal, TypedDict

from trio_ohws.errors import PARAMETER_ERROR, failure
from trio_ohws.instrument import Instrument, check_instruments
from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.policy import Policy

__all__ = ["Settings", "WebSocketSettings", "settings_of_connection"]

MAX_MESSAGE_SIZE = 16 << 20
RECEIVE_BUFFER = (256, 4 << 20)
SEND_BUFFER = 256 << 10


class WebSocketSettings(TypedDict, total=False):
    """The settings of `create_websocket`, by name."""

    policy: Policy | None
    ssl_context: ssl.SSLContext | None
    max_message_size: int
    fragment_size: int | None
    receive_buffer: tuple[int, int] | None
    send_buffer: int
    connect_timeout: float
    close_timeout: float
    goodbye_timeout: float
    ping_interval: float | None
    ping_timeout: float | None
    compression: Literal["deflate"] | None
    instruments: tuple[Instrument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of `create_websocket`, which documents them; checked here, once.

    Raises:
        TypeError: a value is of the wrong type.
        ValueError: a value is out of range.
    """

    policy: Policy | None = None
    ssl_context: ssl.SSLContext | None = None
    max_message_size: int = MAX_MESSAGE_SIZE
    fragment_size: int | None = None
    receive_buffer: tuple[int, int] | None = RECEIVE_BUFFER
    send_buffer: int = SEND_BUFFER
    connect_timeout: float = 60
    close_timeout: float = 10
    goodbye_timeout: float = 2
    ping_interval: float | None = 30
    ping_timeout: float | None = 30
    compression: Literal["deflate"] | None = None
    instruments: tuple[Instrument, ...] = ()

    def __post_init__(self) -> None:
        if self.policy is not None:
            _check_policy(self.policy)
        if self.ssl_context is not None:
            _check_ssl_context(self.ssl_context)
        _check_size("max_message_size", self.max_message_size, 1)
        _check_size("send_buffer", self.send_buffer, 1)
        if self.fragment_size is not None:
            _check_size("fragment_size", self.fragment_size, 4)  # the longest UTF-8 character
        if self.receive_buffer is not None:
            _check_pair("receive_buffer", self.receive_buffer)
        for name in ("connect_timeout", "close_timeout", "goodbye_timeout"):
            _check_seconds(name, getattr(self, name))
        for name in ("ping_interval", "ping_timeout"):
            seconds = getattr(self, name)
            if seconds is not None:
                _check_seconds(name, seconds)
        if self.ping_interval == 0:
            raise ValueError("ping_interval must be above 0 seconds; None turns pings off")
        if self.ping_timeout == 0:
            raise ValueError("ping_timeout must be above 0 seconds; None waits for ever")
        if self.compression not in ("deflate", None):
            raise ValueError(f'compression must be "deflate" or None, not {self.compression!r}')
        check_instruments(self.instruments)


def settings_of_connection(settings: Settings, options: WebSocketRequestOptions) -> Settings:
    """Put the keepalive's figures that a connection's options give in the place of the socket's.

    Args:
        settings: The socket's.
        options: Checked options, of which ``ping_interval`` and ``pong_timeout`` matter here.

    Raises:
        BusinessError: 401, ``pong_timeout`` is above the interval that the socket has.
    """
    if options.ping_interval is None and options.pong_timeout is None:
        return settings
    interval, patience = settings.ping_interval, settings.ping_timeout
    if options.ping_interval is not None:
        interval = options.ping_interval or None
    elif options.pong_timeout is not None and options.pong_timeout > (interval or 0):
        has = "none" if interval is None else f"{interval:g} s"
        words = f"{options.pong_timeout} s is above the socket's ping_interval, {has}"
        raise failure(PARAMETER_ERROR, f"'pong_timeout' ('pongTimeout') {words}")
    if options.pong_timeout is not None:
        patience = options.pong_timeout or None
    return replace(settings, ping_interval=interval, ping_timeout=patience)


def _check_policy(value: object) -> None:
    if not isinstance(value, Policy):
        raise TypeError(f"policy must be a Policy, or None, not {type(value).__name__}")


def _check_ssl_context(value: object) -> None:
    if not isinstance(value, ssl.SSLContext):
        raise TypeError(f"ssl_context must be an ssl.SSLContext, or None, not {type(value).__name__}")
    if value.protocol is ssl.PROTOCOL_TLS_SERVER:
        raise ValueError("ssl_context must be a client's; ssl.create_default_context() makes one")


def _check_size(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")


def _check_pair(name: str, value: object) -> None:
    if not isinstance(value, tuple) or len(value) != 2:
        raise TypeError(f"{name} must be a pair (messages, bytes), or None")
    for limit in value:
        _check_size(name, limit, 1)


def _check_seconds(name: str, value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    if math.isnan(value) or value < 0:
        raise ValueError(f"{name} must be at least 0 seconds, not {value}")
