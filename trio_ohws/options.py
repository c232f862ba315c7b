"""What a program may ask for when it connects or closes, checked once, at the door.

Options are frozen objects with snake_case fields. Whoever comes from ArkTS passes a mapping with OHOS's own
names instead; both end as the same object, so that nothing behind this module ever sees a value that was not
checked. Header values, passwords and proxy credentials are secrets: no ``repr`` and no message shows them.
"""

import difflib
import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from enum import IntEnum
from typing import Final, TypeVar

from trio_ohws.errors import PARAMETER_ERROR, BusinessError, failure
from trio_ohws.proxy_server import parse_proxy_url

__all__ = [
    "MAX_HEADERS_SIZE",
    "MAX_PING_INTERVAL_S",
    "MAX_REASON_SIZE",
    "ClientCert",
    "HttpProxy",
    "RequestHeaders",
    "TlsProtocol",
    "WebSocketCloseOptions",
    "WebSocketRequestOptions",
    "close_options",
    "refuse_beside_ssl_context",
    "request_headers",
    "request_options",
    "subprotocols",
]

MAX_HEADERS_SIZE: Final = 64 * 1024
"""Bytes of all header lines together, the subprotocols included."""
MAX_PING_INTERVAL_S: Final = 30000
"""Seconds; the declaration file's limit for ``pingInterval``."""
MAX_REASON_SIZE: Final = 123
"""UTF-8 bytes of a close reason: a control frame's 125 without the code (RFC 6455 section 5.5)."""

# RFC 7230 section 3.2.6.
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_AUTHORITY: Final = re.compile(r"(?:[0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_ORIGIN: Final = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_LARGEST_NUMBER: Final = 0xFFFFFFFF
_LONGEST_SHOWN: Final = 40

# What the handshake itself says, or what would frame the request differently. Credentials for a proxy are
# among them since the request goes to the server, tunnel or not: it would learn what only the proxy may know.
_OWN_HEADERS: Final = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_OWN_PREFIX: Final = "sec-websocket-"
_INSTEAD: Final = {
    "proxy-authorization": "; give the proxy its 'username' and 'password'",
    "sec-websocket-protocol": "; use the option 'protocol'",
}

# Our spelling to OHOS's.
_REQUEST_NAMES: Final = {
    "header": "header",
    "ca_path": "caPath",
    "client_cert": "clientCert",
    "proxy": "proxy",
    "protocol": "protocol",
    "skip_server_cert_verification": "skipServerCertVerification",
    "ping_interval": "pingInterval",
    "pong_timeout": "pongTimeout",
    "min_support_tls_protocol": "minSupportTlsProtocol",
    "support_origin_port": "supportOriginPort",
}
_CLIENT_CERT_NAMES: Final = {"cert_path": "certPath", "key_path": "keyPath", "key_password": "keyPassword"}
_PROXY_NAMES: Final = {
    "host": "host",
    "port": "port",
    "username": "username",
    "password": "password",
    "exclusion_list": "exclusionList",
}
_PROXY_WORDS: Final = ("system", "no-proxy")
_CLOSE_NAMES: Final = {"code": "code", "reason": "reason"}
_OHOS_NAMES: Final = _REQUEST_NAMES | _CLIENT_CERT_NAMES | _PROXY_NAMES | _CLOSE_NAMES

_T = TypeVar("_T")


class TlsProtocol(IntEnum):
    """The least version of TLS that a connection may have.

    The two oldest ask for less than we do anyway: TLS 1.2 stays the minimum (RFC 8996).

    Source: ``TlsProtocol`` of ``@ohos.net.webSocket``.
    """

    TLS_V_1_0 = 0
    TLS_V_1_1 = 1
    TLS_V_1_2 = 2
    TLS_V_1_3 = 3


@dataclass(frozen=True, slots=True)
class ClientCert:
    """The certificate by which a server knows us.

    Args:
        cert_path: A PEM file: the certificate, then its chain. OHOS: ``certPath``.
        key_path: A PEM file: the certificate's private key. OHOS: ``keyPath``.
        key_password: What the key is encrypted with; None (the default) or empty if it is not. OHOS:
            ``keyPassword``.

    Raises:
        BusinessError: 401, a wrong type or an empty path.

    Source: the API document, ``ClientCert``.
    """

    cert_path: str | os.PathLike[str]
    key_path: str | os.PathLike[str]
    key_password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cert_path", _present("cert_path", _path("cert_path", self.cert_path)))
        object.__setattr__(self, "key_path", _present("key_path", _path("key_path", self.key_path)))
        object.__setattr__(self, "key_password", _text("key_password", self.key_password))


@dataclass(frozen=True, slots=True)
class HttpProxy:
    """An HTTP proxy to connect through.

    Args:
        host: Its name or address.
        port: From 1 to 65535.
        username: For Basic authentication; None (the default) or empty for none. No colon (RFC 7617).
        password: For Basic authentication.
        exclusion_list: Hosts that are reached without it. OHOS: ``exclusionList``.

    Raises:
        BusinessError: 401, a wrong type or range.

    Source: ``HttpProxy`` of ``@ohos.net.connection``, to which the API document refers.
    """

    host: str
    port: int
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    exclusion_list: Sequence[str] = ()

    def __post_init__(self) -> None:
        host = _present("host", _text("host", self.host))
        if not host.isprintable() or re.search(r"[\s/@?#\\]", host):
            # Not repeated: what people put here by mistake is a whole URL, credentials and all.
            raise _refused("'host' must be the proxy's name or address, not a URL")
        port = _whole_number("port", self.port)
        if not 1 <= port <= 65535:
            raise _refused(f"'port' must be from 1 to 65535, not {port}")
        username = _credential("username", self.username)
        if username is not None and ":" in username:
            raise _refused("'username' must not contain a colon")
        object.__setattr__(self, "host", host)
        object.__setattr__(self, "port", port)
        object.__setattr__(self, "username", username)
        object.__setattr__(self, "password", _credential("password", self.password))
        object.__setattr__(self, "exclusion_list", _exclusions(self.exclusion_list))


@dataclass(frozen=True, slots=True)
class WebSocketRequestOptions:
    """How to connect.

    Args:
        header: Further headers of the request; a sequence of values repeats a header, and ``Host`` and
            ``Origin`` replace ours. Sent as latin-1 where that can express a value, else as UTF-8; at most
            64 KiB together.
        ca_path: A PEM file, or a directory of them, to trust instead of the system's store. OHOS:
            ``caPath``.
        client_cert: The certificate to show to a server that asks. OHOS: ``clientCert``.
        proxy: ``"system"`` (what None, the default, means), ``"no-proxy"``, or the proxy to use: an object,
            or, beyond OHOS, a URL such as ``"socks5h://username:password@host:1080"``, with ``http``,
            ``https``, ``socks4``, ``socks4a``, ``socks5`` or ``socks5h`` before the colon.
        protocol: The subprotocols to offer, separated by commas, the preferred one first.
        skip_server_cert_verification: True takes any certificate of the server, so that anybody on the way
            can read and change everything; the log gets a warning. False by default. OHOS:
            ``skipServerCertVerification``.
        ping_interval: Whole seconds of silence, at most 30000, after which a ping is sent; 0 for no pings;
            None (the default) for what the socket has. OHOS: ``pingInterval``.
        pong_timeout: Whole seconds without a sign of life after a ping, at most ``ping_interval``, after
            which the link counts as broken; 0 for never; None (the default) for what the socket has. OHOS:
            ``pongTimeout``.
        min_support_tls_protocol: A `TlsProtocol`, or its number; TLS 1.2 is the least whatever it says.
            OHOS: ``minSupportTlsProtocol``.
        support_origin_port: Whether ``Origin`` tells the port where that is not the scheme's default. False
            by default. OHOS: ``supportOriginPort``.

    An empty ``ca_path`` or ``protocol`` counts as None, and ``client_cert`` and ``proxy`` may be mappings.

    Raises:
        BusinessError: 401, a wrong type or value, which the message names.

    Source: the API document, ``WebSocketRequestOptions``; the last five are those of
        ``@ohos.net.webSocket``, levels 20 to 26.
    """

    header: Mapping[str, str | Sequence[str]] | None = None
    ca_path: str | os.PathLike[str] | None = None
    client_cert: ClientCert | None = None
    proxy: HttpProxy | str | None = None
    # Browsers have no other place for a bearer token than the subprotocol, so servers look for one there.
    protocol: str | None = field(default=None, repr=False)
    skip_server_cert_verification: bool = False
    ping_interval: int | None = None
    pong_timeout: int | None = None
    min_support_tls_protocol: TlsProtocol | int | None = None
    support_origin_port: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "header", None if self.header is None else _header(self.header))
        object.__setattr__(self, "ca_path", _path("ca_path", self.ca_path))
        object.__setattr__(self, "client_cert", _client_cert(self.client_cert))
        object.__setattr__(self, "proxy", _proxy(self.proxy))
        object.__setattr__(self, "protocol", _text("protocol", self.protocol))
        for name in ("skip_server_cert_verification", "support_origin_port"):
            object.__setattr__(self, name, _switch(name, getattr(self, name)))
        object.__setattr__(self, "ping_interval", _ping_interval(self.ping_interval))
        object.__setattr__(self, "pong_timeout", _pong_timeout(self.pong_timeout, self.ping_interval))
        tls_protocol = _tls_protocol(self.min_support_tls_protocol)
        object.__setattr__(self, "min_support_tls_protocol", tls_protocol)
        _refuse_excess(request_headers(self), subprotocols(self))


@dataclass(frozen=True, slots=True)
class WebSocketCloseOptions:
    """How to close.

    Args:
        code: 1000 to 1003, 1007 to 1014, or 3000 to 4999; 1000 by default.
        reason: At most 123 bytes as UTF-8; empty by default.

    Raises:
        BusinessError: 401, a code that may not be sent, or a reason that does not fit into a Close frame.

    Source: the API document, ``WebSocketCloseOptions``; RFC 6455 section 7.4.
    """

    code: int = 1000
    reason: str = ""

    def __post_init__(self) -> None:
        code = _whole_number("code", self.code)
        if code in (1004, 1005, 1006, 1015) or not (1000 <= code <= 1015 or 3000 <= code <= 4999):
            raise _refused(f"'code' {code} may not be sent; 1000 to 1003, 1007 to 1014 and 3000 to 4999 may")
        reason = _text("reason", self.reason) or ""
        size = len(reason.encode())
        if size > MAX_REASON_SIZE:
            raise _refused(f"'reason' is {size} bytes as UTF-8; a Close frame has room for {MAX_REASON_SIZE}")
        object.__setattr__(self, "code", code)
        object.__setattr__(self, "reason", reason)


@dataclass(frozen=True, slots=True)
class RequestHeaders:
    """What a program adds to the handshake, as it goes onto the wire.

    Args:
        host: What to send as ``Host`` instead of the URL's, in ASCII; None for the URL's.
        origin: What to send as ``Origin`` instead of the URL's, in ASCII; None for the URL's.
        extra: All other headers in order, repeated ones repeated.
    """

    host: str | None
    origin: str | None
    extra: tuple[tuple[bytes, bytes], ...] = field(repr=False)


def request_options(value: object) -> WebSocketRequestOptions:
    """Take what a program gave to ``connect``.

    Args:
        value: None, the object itself, or a mapping with the fields' names, in our spelling or OHOS's.

    Returns:
        The checked options.

    Raises:
        BusinessError: 401: an unknown name (the message tells which was probably meant), both spellings of
            one field, a wrong type or value.
    """
    if value is None:
        return _no_options()
    return _built(WebSocketRequestOptions, value, _REQUEST_NAMES, "connect", "the options")


@functools.cache
def _no_options() -> WebSocketRequestOptions:
    return WebSocketRequestOptions()


def close_options(value: object) -> WebSocketCloseOptions:
    """Take what a program gave to ``close``; arguments, result and errors as for ``request_options``."""
    if value is None:
        return WebSocketCloseOptions()
    return _built(WebSocketCloseOptions, value, _CLOSE_NAMES, "close", "the options")


def refuse_beside_ssl_context(options: WebSocketRequestOptions) -> None:
    """Make sure that there is one source of truth about TLS, where the socket has an ``ssl_context``.

    Raises:
        BusinessError: 401, and the message names the option that says something about TLS, too.
    """
    for name in ("ca_path", "client_cert", "skip_server_cert_verification", "min_support_tls_protocol"):
        value = getattr(options, name)
        if value is not None and value is not False:  # TLS_V_1_0 equals False
            raise _refused(f"choose between {_called(name)} and ssl_context, which is used as it is")


def subprotocols(options: WebSocketRequestOptions) -> tuple[str, ...]:
    """List the subprotocols that the options offer, in their order.

    Raises:
        BusinessError: 401, an empty element, an illegal or a repeated token.

    Source: RFC 6455 section 4.1, point 10.
    """
    if options.protocol is None:
        return ()
    # A dict because it finds a repeated one at once, and keeps the order.
    tokens: dict[str, None] = {}
    for position, element in enumerate(options.protocol.split(","), start=1):
        token = element.strip(" \t")
        if not token:
            raise _refused(f"element {position} of 'protocol' is empty")
        if not _TOKEN.fullmatch(token):
            raise _refused(f"element {position} of 'protocol' contains {_first_illegal(token)!r}")
        if token in tokens:
            raise _refused(f"element {position} of 'protocol' was offered before")
        tokens[token] = None
    return tuple(tokens)


def request_headers(options: WebSocketRequestOptions) -> RequestHeaders:
    """Turn the options' ``header`` into what h11 and wsproto take without complaint.

    Raises:
        BusinessError: 401: an illegal name or value, a header of the handshake itself, a second ``Host`` or
            ``Origin``.

    Source: RFC 7230 section 3.2; RFC 6455 section 4.1.
    """
    host = origin = None
    extra: list[tuple[bytes, bytes]] = []
    for name, given in (options.header or {}).items():
        for value in (given,) if isinstance(given, str) else given:
            stripped = value.strip(" \t")
            if name.lower() == "host":
                host = _only_host(host, stripped)
            elif name.lower() == "origin":
                origin = _only_origin(origin, stripped)
            else:
                extra.append((name.encode("ascii"), _encoded(name, stripped)))
    return RequestHeaders(host, origin, tuple(extra))


class _Header(Mapping[str, "str | Sequence[str]"]):
    """A copy of a program's headers that nobody can change, and whose repr shows no value."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, str | Sequence[str]]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> str | Sequence[str]:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{name!r}: ..." for name in self) + "}"


class _ProxyURL(str):
    """A proxy's URL, whose repr shows no credentials."""

    __slots__ = ()

    def __repr__(self) -> str:
        credentials, at, server = self.rpartition("@")
        scheme = credentials.partition("://")[0]
        return repr(f"{scheme}://...@{server}") if at else super().__repr__()


def _refused(detail: str) -> BusinessError:
    return failure(PARAMETER_ERROR, detail)


def _built(cls: type[_T], value: object, names: Mapping[str, str], of: str, called: str) -> _T:
    """Make an options object from itself or from a mapping, in which None counts as absent."""
    if isinstance(value, cls):
        return value
    if not isinstance(value, Mapping):
        raise _refused(f"{called} must be {cls.__name__} or a mapping, not {_type(value)}")
    ours = {spelling: name for name, ohos in names.items() for spelling in (ohos, name)}
    given: dict[str, object] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise _refused(f"the name of an option of {of} must be a str, not {_type(key)}")
        if key not in ours:
            raise _refused(f"{_short(key)} is not an option of {of}{_suggestion(key, ours)}")
        name = ours[key]
        if name in given:
            raise _refused(f"{_called(name)} is given in both spellings")
        given[name] = item
    present = {name: item for name, item in given.items() if item is not None}
    for one in fields(cls):  # type: ignore[arg-type]  # mypy cannot say "a type whose instances are data"
        if one.default is MISSING and one.name not in present:
            raise _refused(f"{_called(one.name)} of {of} is missing")
    make: Callable[..., _T] = cls
    return make(**present)


def _suggestion(key: str, spellings: Iterable[str]) -> str:
    by_lower = {spelling.lower(): spelling for spelling in spellings}
    near = difflib.get_close_matches(key[:_LONGEST_SHOWN].lower(), by_lower, n=1)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""


def _client_cert(value: object) -> ClientCert | None:
    if value is None:
        return None
    called = _called("client_cert")
    return _built(ClientCert, value, _CLIENT_CERT_NAMES, called, called)


def _proxy(value: object) -> HttpProxy | str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        return _built(HttpProxy, value, _PROXY_NAMES, "'proxy'", "'proxy', if not a str,")
    if value in _PROXY_WORDS:
        return value
    # No message repeats the text: it may be a URL with credentials.
    if "://" not in value:
        near = _suggestion(value, _PROXY_WORDS)
        raise _refused(f"'proxy' must be 'system', 'no-proxy', HttpProxy or a URL{near}")
    try:
        parse_proxy_url(value)
    except ValueError as error:
        raise _refused(f"'proxy' is not the URL of a proxy: {error}") from error
    return _ProxyURL(value)


def _switch(name: str, value: object) -> bool:
    """Check what is on or off; None is off."""
    if value is None:
        return False
    if not isinstance(value, bool):
        raise _refused(f"{_called(name)} must be a bool, not {_type(value)}")
    return value


def _ping_interval(value: object) -> int | None:
    if value is None:
        return None
    seconds = _whole_number("ping_interval", value)
    if not 0 <= seconds <= MAX_PING_INTERVAL_S:
        most = MAX_PING_INTERVAL_S
        raise _refused(f"{_called('ping_interval')} must be from 0 to {most} seconds, not {seconds}")
    return seconds


def _pong_timeout(value: object, ping_interval: int | None) -> int | None:
    if value is None:
        return None
    seconds = _whole_number("pong_timeout", value)
    most = MAX_PING_INTERVAL_S if ping_interval is None else ping_interval
    if not 0 <= seconds <= most:
        why = "" if ping_interval is None else f", which is {_called('ping_interval')}"
        raise _refused(f"{_called('pong_timeout')} must be from 0 to {most} seconds{why}, not {seconds}")
    return seconds


def _tls_protocol(value: object) -> TlsProtocol | None:
    if value is None:
        return None
    number = _whole_number("min_support_tls_protocol", value)
    try:
        return TlsProtocol(number)
    except ValueError:
        called = _called("min_support_tls_protocol")
        raise _refused(f"{called} must be a TlsProtocol, from 0 to 3, not {number}") from None


def _exclusions(value: object) -> tuple[str, ...]:
    return () if value is None else _strings(_called("exclusion_list"), "a sequence of str", value)


def _header(value: object) -> _Header:
    if not isinstance(value, Mapping):
        raise _refused(f"'header' must be a mapping, not {_type(value)}")
    copied: dict[str, str | Sequence[str]] = {}
    for name, item in value.items():
        if not isinstance(name, str):
            raise _refused(f"the name of a header must be a str, not {_type(name)}")
        _refuse_header_name(name)
        of = f"the value of the header {_short(name)}"
        copied[name] = item if isinstance(item, str) else _strings(of, "a str or a sequence of str", item)
    return _Header(copied)


def _refuse_header_name(name: str) -> None:
    if not name:
        raise _refused("the name of a header is empty")
    if not _TOKEN.fullmatch(name):
        # What stands behind the character may be the value, given as "Authorization: Bearer ...".
        illegal = _first_illegal(name)
        raise _refused(f"the name of the header {_short(name.partition(illegal)[0])} contains {illegal!r}")
    lower = name.lower()
    if lower in _OWN_HEADERS or lower.startswith(_OWN_PREFIX):
        raise _refused(f"the header {_short(name)} is not the program's to set{_INSTEAD.get(lower, '')}")


def _first_illegal(text: str) -> str:
    return next(character for character in text if not _TOKEN.fullmatch(character))


def _encoded(name: str, value: str) -> bytes:
    control = _CONTROL.search(value)
    if control:
        code = ord(control.group())
        raise _refused(f"the value of the header {_short(name)} contains the control character U+{code:04X}")
    _refuse_surrogates(f"the value of the header {_short(name)}", value)
    # Not by trying latin-1: the error would hold the value, and be the context of what is raised after it.
    return value.encode("latin-1" if max(value, default="") <= "\xff" else "utf-8")


def _only_host(earlier: str | None, value: str) -> str:
    if earlier is not None:
        raise _refused("the header 'Host' is given more than once")
    if not _AUTHORITY.fullmatch(value):
        raise _refused("the header 'Host' must be a host in ASCII with at most a port")
    try:
        # This is what wsproto does with it.
        value.encode("idna")
    except UnicodeError as error:
        raise _refused("the header 'Host' has an empty label or one longer than 63 characters") from error
    return value


def _only_origin(earlier: str | None, value: str) -> str:
    if earlier is not None:
        raise _refused("the header 'Origin' is given more than once")
    if not _ORIGIN.fullmatch(value):
        raise _refused("the header 'Origin' must be an origin in ASCII")
    return value


def _refuse_excess(headers: RequestHeaders, protocols: tuple[str, ...]) -> None:
    lines = [*headers.extra, *((b"host", (value or "").encode()) for value in (headers.host, headers.origin))]
    size = sum(len(name) + len(value) + len(": \r\n") for name, value in lines)
    size += sum(len(token) + len(", ") for token in protocols)
    if size > MAX_HEADERS_SIZE:
        raise _refused(f"{size} bytes of headers are more than the {MAX_HEADERS_SIZE} allowed")


def _strings(of: str, expected: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str | bytes | bytearray | memoryview) or not isinstance(value, Sequence):
        raise _refused(f"{of} must be {expected}, not {_type(value)}")
    for position, item in enumerate(value, start=1):
        if not isinstance(item, str):
            raise _refused(f"{of} must be {expected}; element {position} is {_type(item)}")
    return tuple(value)


def _text(name: str, value: object) -> str | None:
    """Check a text; an empty one is absent."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise _refused(f"{_called(name)} must be a str, not {_type(value)}")
    _refuse_surrogates(_called(name), value)
    return value or None


def _credential(name: str, value: object) -> str | None:
    text = _text(name, value)
    if text is not None and _CONTROL.search(text):
        raise _refused(f"{_called(name)} contains a control character")
    return text


def _path(name: str, value: object) -> str | None:
    """Check a path; an empty one is absent."""
    if value is None:
        return None
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str):
        raise _refused(f"{_called(name)} must be a str or a path, not {_type(value)}")
    if "\x00" in path:
        raise _refused(f"{_called(name)} contains the control character U+0000")
    return path or None


def _present(name: str, value: str | None) -> str:
    if value is None:
        raise _refused(f"{_called(name)} must not be empty")
    return value


def _whole_number(name: str, value: object) -> int:
    """Check a number as ArkTS has them: 1000.0 is 1000."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(f"{_called(name)} must be a number, not {_type(value)}")
    if isinstance(value, float) and not value.is_integer():
        raise _refused(f"{_called(name)} must be a whole number, not {value}")
    if abs(value) > _LARGEST_NUMBER:
        raise _refused(f"{_called(name)} is too large a number")
    return int(value)


def _refuse_surrogates(of: str, text: str) -> None:
    surrogate = _SURROGATE.search(text)
    if surrogate:
        raise _refused(f"{of} contains the lone surrogate U+{ord(surrogate.group()):04X}")


def _called(name: str) -> str:
    """Name a field in both spellings, since the message does not know which one the program used."""
    ohos = _OHOS_NAMES[name]
    return f"'{name}'" if ohos == name else f"'{name}' ('{ohos}')"


def _type(value: object) -> str:
    return "None" if value is None else type(value).__name__


def _short(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}...")
