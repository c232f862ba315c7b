"""A proxy's address, scheme and credentials, and the URL that says all that in one line."""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal, cast
from urllib.parse import unquote_to_bytes

from trio_ohws.errors import BusinessError
from trio_ohws.url import parse_url

__all__ = ["ProxyScheme", "ProxyServer", "parse_proxy_url"]

ProxyScheme = Literal["http", "https", "socks4", "socks4a", "socks5", "socks5h"]

_DEFAULT_PORTS: Final[dict[str, int]] = {
    "http": 80,
    "https": 443,
    "socks4": 1080,
    "socks4a": 1080,
    "socks5": 1080,
    "socks5h": 1080,
}
_AUTHORITY: Final = re.compile(r"(?P<host>\[[^\[\]]*\]|[^\[\]:]+)(?::(?P<port>[0-9]{0,5}))?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MAX_PORT: Final = 65535
_MAX_SOCKS5: Final = 255
"""Bytes of a SOCKS5 username or password (RFC 1929)."""


@dataclass(frozen=True, slots=True)
class ProxyServer:
    """A proxy, whatever it speaks.

    Args:
        scheme: ``http`` and ``https`` speak CONNECT, the latter within TLS; ``socks4`` and ``socks5`` are
            told the server's address, ``socks4a`` and ``socks5h`` its name.
        host: Its name or address, without brackets.
        port: From 1 to 65535.
        username: None if there are no credentials.
        password: None if there is none.
        exclusion_list: The hosts that are reached without it.
    """

    scheme: ProxyScheme
    host: str
    port: int
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    exclusion_list: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"the proxy {self.host} port {self.port}"


def parse_proxy_url(url: str) -> ProxyServer:
    """Read ``scheme://username:password@host:port``.

    Credentials may be percent-encoded. The port is 80, 443 or 1080 if there is none.

    Raises:
        ValueError: It is no such URL. The message repeats nothing of it, as it may hold credentials.
    """
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DEFAULT_PORTS:
        raise ValueError(f"it must start with one of {', '.join(f'{known}://' for known in _DEFAULT_PORTS)}")
    authority, _, path = rest.partition("/")
    if path or "?" in rest or "#" in rest:
        raise ValueError("nothing may follow the port; write %2F, %3F, %23 for '/', '?', '#' in credentials")
    credentials, _, server = authority.rpartition("@")
    host, port = _host_and_port(server, _DEFAULT_PORTS[scheme])
    username, password = _credentials(credentials)
    _refuse_unsendable(scheme, username, password)
    return ProxyServer(cast("ProxyScheme", scheme), host, port, username, password)


def _host_and_port(server: str, default: int) -> tuple[str, int]:
    found = _AUTHORITY.fullmatch(server)
    if not found:
        raise ValueError("its host or port is malformed")
    port = int(found["port"] or default)
    if not 1 <= port <= _MAX_PORT:
        raise ValueError(f"its port must be from 1 to {_MAX_PORT}")
    with suppress(BusinessError):
        return parse_url(f"ws://{found['host']}").host, port
    raise ValueError("its host is malformed")  # out here for the reason that _decoded gives


def _credentials(text: str) -> tuple[str | None, str | None]:
    username, colon, password = text.partition(":")
    return _decoded(username) or None, _decoded(password) if colon else None


def _decoded(text: str) -> str:
    decoded = None
    with suppress(UnicodeError):
        decoded = unquote_to_bytes(text).decode("utf-8")
    if decoded is None:
        # Out here, because that error holds the credentials, and would be the context of this one.
        raise ValueError("its credentials are not UTF-8")
    if _CONTROL.search(decoded):
        raise ValueError("its credentials contain a control character")
    return decoded


def _refuse_unsendable(scheme: str, username: str | None, password: str | None) -> None:
    """Refuse credentials that the protocol cannot carry, rather than leave them out."""
    if username is None and password:
        raise ValueError("there is a password, but no username")
    if scheme in {"http", "https"}:
        if ":" in (username or ""):
            raise ValueError("the username must not contain a colon")
        return
    if not ((username or "") + (password or "")).isascii():
        raise ValueError("credentials for SOCKS must be ASCII")
    if scheme in {"socks4", "socks4a"}:
        if password:
            raise ValueError("SOCKS4 has no passwords")
        return
    if username and not password:
        raise ValueError("there is a username, but no password")
    if max(len(username or ""), len(password or "")) > _MAX_SOCKS5:
        raise ValueError(f"credentials for SOCKS5 are at most {_MAX_SOCKS5} bytes")
