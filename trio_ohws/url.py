"""The address of a server: what a ``ws://`` or ``wss://`` URL says, or why it says nothing.

Parsed by hand because ``urllib.parse`` forgives what must not be forgiven here: it strips tabs and line
breaks, and takes what is left for a clean URL. Where browsers (the WHATWG URL standard) and RFC 3986 differ,
we take the stricter reading: a URL that two parsers read differently is how requests are sent astray.

No message repeats user information, the path or the query, since passwords and tokens travel there.
"""

import functools
import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final

import idna

from trio_ohws.errors import PARAMETER_ERROR, URL_ERROR, BusinessError, failure

__all__ = ["MAX_URL_LENGTH", "WebSocketURL", "parse_url"]

MAX_URL_LENGTH: Final = 1024
"""Characters, as the program gave them; the API document's limit."""

_DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}
_NEAR_SCHEMES: Final = {"http": "ws", "https": "wss"}

_SERVER: Final = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?]*)", re.IGNORECASE | re.ASCII)
_PORT: Final = re.compile(r"[0-9]*")
_LABEL: Final = re.compile(r"[a-z0-9_-]+")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Whether there is anything for _refuse_characters to name; almost always there is not.
_SUSPECT: Final = re.compile(r"[\s\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")

# RFC 3986 section 3.3 and 3.4, and "[" and "]", which no browser encodes and many a query carries.
_NOT_KEPT_IN_TARGET: Final = re.compile(rb"[^a-zA-Z0-9\-._~!$&'()*+,;=:@/?%\[\]]")

_MAX_LABEL: Final = 63
_MAX_NAME: Final = 253
_MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class WebSocketURL:
    """A checked and normalised URL; made by ``parse_url``.

    Args:
        secure: Whether the scheme is ``wss``.
        host: Lower-case ASCII: a name of A-labels, or an IP address without brackets.
        port: From 1 to 65535.
        target: Path and query as they go into the request line; ASCII, at least ``"/"``. Not in the repr.
    """

    secure: bool
    host: str
    port: int
    target: str = field(repr=False)

    @property
    def host_header(self) -> str:
        """The value of ``Host``: IPv6 in brackets, the port unless it is the scheme's default."""
        if self.port == _DEFAULT_PORTS[self._scheme]:
            return self._bracketed_host
        return f"{self._bracketed_host}:{self.port}"

    @property
    def origin(self) -> str:
        """The value of ``Origin``: an http URL without a port, as the reference sends it."""
        return f"{'https' if self.secure else 'http'}://{self._bracketed_host}"

    @property
    def origin_with_port(self) -> str:
        """As ``origin``, with the port unless it is the scheme's default."""
        return f"{'https' if self.secure else 'http'}://{self.host_header}"

    @property
    def _scheme(self) -> str:
        return "wss" if self.secure else "ws"

    @property
    def _bracketed_host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return f"{self._scheme}://{self.host_header}{self.target}"


def parse_url(url: object) -> WebSocketURL:
    """Check and normalise a URL.

    The scheme and the host become lower case, the host's international labels A-labels (IDNA 2008 after the
    mapping that browsers apply), what is not ASCII in path and query is percent-encoded as UTF-8, and a query
    without a path gets ``"/"`` before it. Dot segments are left alone.

    Args:
        url: A ``str`` of at most 1024 characters.

    Returns:
        The parts that dialling and the handshake need. ``parse_url(str(result))`` equals the result, as long
        as percent-encoding has not made it longer than a URL may be.

    Raises:
        BusinessError: 401, not a ``str``; 2302001, not a WebSocket URL, and the message says why.

    Source: the API document, ``connect``; RFC 6455 section 3; RFC 3986; UTS 46.
    """
    if not isinstance(url, str):
        raise failure(PARAMETER_ERROR, f"the URL must be a str, not {type(url).__name__}")
    _refuse_characters(url)
    server = _SERVER.match(url)
    if not server:
        raise _refused("it must start with ws:// or wss://")
    secure, host, port = _server(server[1], server[2])
    return WebSocketURL(secure, host, port, _target(url[server.end() :]))


def _refused(detail: str) -> BusinessError:
    return failure(URL_ERROR, detail)


def _refuse_characters(url: str) -> None:
    """Refuse what may stand nowhere in a URL, before anything is cut out of it."""
    if len(url) > MAX_URL_LENGTH:
        raise _refused(f"{len(url)} characters are more than the {MAX_URL_LENGTH} allowed")
    suspects = url if _SUSPECT.search(url) else ""
    for position, character in enumerate(suspects, start=1):
        if character.isspace():
            raise _refused(f"whitespace (U+{ord(character):04X}) at position {position}")
        if character < " " or "\x7f" <= character < "\xa0":
            raise _refused(f"a control character (U+{ord(character):04X}) at position {position}")
        if "\ud800" <= character <= "\udfff":
            raise _refused(f"a lone surrogate (U+{ord(character):04X}) at position {position}")
        if character == "\\":
            # Browsers read it as "/", most other parsers as part of a name.
            raise _refused(f"a backslash at position {position}")
    if "#" in url:
        raise _refused("a WebSocket URL has no fragment ('#'); write %23 if it belongs to the path or query")


@functools.lru_cache(maxsize=64)  # not of whole URLs: secrets travel in their queries
def _server(scheme: str, authority: str) -> tuple[bool, str, int]:
    """Return whether it is to be secure, the host, and the port."""
    scheme = scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        near = _NEAR_SCHEMES.get(scheme)
        advice = f"; did you mean '{near}'?" if near else ""
        raise _refused(f"the scheme must be ws or wss, not {scheme[:20]!r}{advice}")
    host, digits = _split_authority(authority)
    server = WebSocketURL(scheme == "wss", _host(host), _port(digits, _DEFAULT_PORTS[scheme]), "/")
    _refuse_unsendable(server.host_header)
    return server.secure, server.host, server.port


def _split_authority(authority: str) -> tuple[str, str]:
    """Cut an authority into the host, brackets included, and the digits of the port."""
    if "@" in authority:
        raise _refused("user information before the host is not allowed; send an Authorization header")
    if authority.startswith("["):
        address, bracket, after = authority.partition("]")
        if not bracket:
            raise _refused("the ']' of an IPv6 address is missing")
        host = address + bracket
        if after and not after.startswith(":"):
            raise _refused("only a port may follow the ']' of an IPv6 address")
        return host, after[1:]
    host, _, port = authority.partition(":")
    if ":" in port:
        raise _refused("more than one ':' after the host; an IPv6 address stands in brackets")
    return host, port


def _port(digits: str, default: int) -> int:
    # The text is not repeated: in "ws://user:pass/word@host" it is half of a password.
    if not _PORT.fullmatch(digits):
        raise _refused("the port must consist of digits")
    # RFC 3986 section 3.2.3: an empty port is the default one.
    port = int(digits) if digits else default
    if not 1 <= port <= _MAX_PORT:
        raise _refused(f"the port must be from 1 to {_MAX_PORT}")
    return port


def _host(host: str) -> str:
    if not host:
        raise _refused("there is no host")
    if host.startswith("["):
        return _ipv6(host[1:-1])
    name = _name(host)
    last_label = name.removesuffix(".").rpartition(".")[2]
    return _ipv4(name) if _NUMBER.fullmatch(last_label) else name


def _name(host: str) -> str:
    """Map a name as browsers do (UTS 46), and turn its labels into A-labels."""
    try:
        mapped = idna.uts46_remap(host, std3_rules=False)
    except ValueError as error:
        raise _refused(f"the host is not a valid name: {error}") from error
    relative = mapped.removesuffix(".")
    name = ".".join(_a_label(label) for label in relative.split("."))
    if len(name) > _MAX_NAME:
        raise _refused(f"the host is longer than {_MAX_NAME} characters")
    return name + mapped[len(relative) :]


def _a_label(label: str) -> str:
    if not label:
        raise _refused("the host has an empty label")
    if label.isascii() and not label.startswith("xn--"):
        # Not the idna package's rules: it refuses underscores and "r3---sn", which the DNS is full of.
        if not _LABEL.fullmatch(label):
            wrong = next(character for character in label if not _LABEL.fullmatch(character))
            raise _refused(f"{wrong!r} is not allowed in a host")
        if len(label) > _MAX_LABEL:
            raise _refused(f"a label of the host is longer than {_MAX_LABEL} characters")
        return label
    try:
        return idna.alabel(label).decode("ascii")
    except ValueError as error:
        raise _refused(f"the host is not a valid IDNA 2008 name: {error}") from error


def _ipv4(host: str) -> str:
    # The C library takes 127.1, 0x7f.1, 017700000001 and 2130706433 for 127.0.0.1, which walks past every
    # filter that looks at names. ipaddress knows only the four decimal parts, without leading zeros.
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError as error:
        raise _refused("a numeric host must be an IPv4 address of four decimal parts") from error


def _ipv6(address: str) -> str:
    if "%" in address:
        raise _refused("an IPv6 address with a zone is not allowed")
    try:
        return str(ipaddress.IPv6Address(address))
    except ValueError as error:
        raise _refused("what stands in brackets is not an IPv6 address") from error


def _target(target: str) -> str:
    bad = _BAD_PERCENT.search(target)
    if bad:
        raise _refused("a '%' in the path or query that two hexadecimal digits do not follow; write %25")
    encoded = _NOT_KEPT_IN_TARGET.sub(lambda byte: b"%%%02X" % ord(byte[0]), target.encode()).decode("ascii")
    return encoded if encoded.startswith("/") else f"/{encoded}"


def _refuse_unsendable(host_header: str) -> None:
    # wsproto passes Host through Python's "idna" codec, which counts the port as part of the last label.
    try:
        host_header.encode("idna")
    except UnicodeError as error:
        raise _refused("the last label of the host, with the port, is longer than 63 characters") from error
