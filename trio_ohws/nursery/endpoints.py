"""Between whom a stream runs, and what TLS has agreed on: read once, before the transport takes it over."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import trio

from trio_ohws.nursery.takeover import Underlay

__all__ = ["Address", "Endpoints", "TlsInfo", "endpoints_of"]

Address = tuple[str, int] | str
"""Host and port, or the path of a Unix socket."""


@dataclass(frozen=True, slots=True)
class TlsInfo:
    """What a TLS connection is like.

    Attributes:
        version: "TLSv1.3", for example.
        cipher: its name, the version that defines it, and how many secret bits it uses.
        alpn_protocol: what was agreed on by ALPN, or None.
        peer_certificate: the server's certificate, as `ssl.SSLSocket.getpeercert` has it; empty where it was
            not verified.
        peer_certificate_binary: the same in DER.
    """

    version: str
    cipher: tuple[str, str, int]
    alpn_protocol: str | None
    peer_certificate: dict[str, Any] = field(repr=False)
    peer_certificate_binary: bytes = field(repr=False)


class Endpoints(NamedTuple):
    """What is known of a stream; None for what is not."""

    local: Address | None = None
    remote: Address | None = None
    tls: TlsInfo | None = None


def endpoints_of(stream: object) -> Endpoints:
    """Look through TLS and what was put around a socket."""
    tls = None
    while True:
        if isinstance(stream, trio.SocketStream):
            sock = stream.socket
            return Endpoints(_address(sock.getsockname), _address(sock.getpeername), tls)
        if isinstance(stream, trio.SSLStream):
            tls = tls or _tls_info(stream)  # the server's: that of a proxy lies below it
            stream = stream.transport_stream
        elif isinstance(stream, trio.StapledStream):
            stream = stream.send_stream
        elif isinstance(stream, Underlay):
            stream = stream.stream
        else:
            return Endpoints(tls=tls)


def _tls_info(stream: Any) -> TlsInfo | None:
    try:
        return TlsInfo(
            stream.version(),
            stream.cipher(),
            stream.selected_alpn_protocol(),
            stream.getpeercert(),
            stream.getpeercert(binary_form=True),
        )
    except trio.NeedHandshakeError:
        return None


def _address(look_up: Callable[[], Any]) -> Address | None:
    try:
        address = look_up()
    except OSError:  # the link is dead already
        return None
    # IPv6 has two numbers more.
    return address[:2] if isinstance(address, tuple) else address or None
