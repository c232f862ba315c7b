"""The server that a verb is about, and how to get there: the options that all verbs of clients share."""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from trio_ohws.cli.parser import Parser, kind, patience, seconds, size
from trio_ohws.cli.verb import UsageError
from trio_ohws.options import ClientCert, WebSocketRequestOptions
from trio_ohws.settings import WebSocketSettings
from trio_ohws.url import WebSocketURL, parse_url

__all__ = ["Target", "declare_target", "target_of"]

_CONNECT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Target:
    """A server.

    Attributes:
        url: as it was typed.
        parsed: the same, checked.
        options: of the connection.
        settings: of the socket.
    """

    url: str
    parsed: WebSocketURL
    options: WebSocketRequestOptions
    settings: WebSocketSettings

    @property
    def server(self) -> str:
        """The URL without path and query, where tokens travel."""
        return str(self.parsed).removesuffix(self.parsed.target)


def declare_target(parser: Parser) -> None:
    """Add the URL, and the options that say how to connect."""
    add = parser.add_argument
    add("url", metavar="URL", help=argparse.SUPPRESS)
    add(
        "-H",
        "--header",
        action="append",
        type=kind(_header, "'NAME: VALUE', or '@FILE' with one such line per header"),
        metavar="LINE",
        help="send 'NAME: VALUE'; @FILE has such lines",
    )
    add("--subprotocol", action="append", metavar="NAME", help="offer it; may be repeated")
    add("--ca", metavar="FILE", help="trust this PEM file or directory, not the system's")
    add("--cert", metavar="FILE", help="show this client certificate (PEM)")
    add("--key", metavar="FILE", help="its key, if not in the same file")
    add("--key-password-file", metavar="FILE", help="the key's password is the first line")
    add("--insecure", action="store_true", help="take any certificate: anybody may listen")
    add("--proxy", metavar="URL", help="http, https, socks4, socks4a, socks5 or socks5h")
    add("--no-proxy", dest="proxy", action="store_const", const="no-proxy", help="whatever the system says")
    add("--compress", action="store_true", help="offer permessage-deflate")
    add(
        "--ping-interval",
        type=patience,
        default=30.0,
        metavar="SECONDS",
        help="of silence before a ping; 0: none (default 30)",
    )
    add(
        "--max-size", type=size, default=16 << 20, metavar="BYTES", help="largest message taken (default 16M)"
    )
    add(
        "--connect-timeout",
        type=seconds,
        default=_CONNECT_S,
        metavar="SECONDS",
        help="for the whole attempt (default 60)",
    )


def target_of(arguments: argparse.Namespace) -> Target:
    """Read what `declare_target` has added.

    Raises:
        BusinessError: 401 or 2302001, and the message says what is wrong.
        UsageError: two options contradict each other, or a file cannot be read.
    """
    if arguments.cert is None and (arguments.key or arguments.key_password_file):
        raise UsageError("--key and --key-password-file belong to a certificate: --cert")
    client_cert = None
    if arguments.cert is not None:
        password = _first_line(arguments.key_password_file) if arguments.key_password_file else None
        client_cert = ClientCert(arguments.cert, arguments.key or arguments.cert, password)
    options = WebSocketRequestOptions(
        header=_gathered(arguments.header or ()),
        ca_path=arguments.ca,
        client_cert=client_cert,
        proxy=arguments.proxy,
        protocol=",".join(arguments.subprotocol or ()),
        skip_server_cert_verification=arguments.insecure,
    )
    settings: WebSocketSettings = {
        "max_message_size": arguments.max_size,
        "connect_timeout": arguments.connect_timeout,
        "ping_interval": arguments.ping_interval or None,
        "compression": "deflate" if arguments.compress else None,
    }
    return Target(arguments.url, parse_url(arguments.url), options, settings)


def _header(text: str) -> list[tuple[str, str]]:
    if not text.startswith("@"):
        return [_pair(text)]
    try:
        lines = Path(text[1:]).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {text[1:]}: {error.strerror}") from None
    return [_pair(line) for line in lines if line.strip()]


def _pair(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise ValueError
    return name.strip(), value.strip()


def _gathered(headers: Iterable[list[tuple[str, str]]]) -> dict[str, Any]:
    values: dict[str, list[str]] = {}
    for several in headers:
        for name, value in several:
            values.setdefault(name, []).append(value)
    return {name: several if len(several) > 1 else several[0] for name, several in values.items()}


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").partition("\n")[0].removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
    raise UsageError(f"cannot read {path}: {words}")
