"""Get through a proxy: which one, and how it is asked for a tunnel.

python-socks speaks CONNECT and SOCKS, over a connection that we opened: happy eyeballs, TLS and the timeout
are ours then. It is handed over as if it were another proxy in front, which python-socks calls ``forward``.
What python-socks reads passes through `_Link`, because it takes the first chunk for the whole answer of an
HTTP proxy, and loses what comes behind it.
"""

import http
import math
import re
import socket
from typing import Any, Final

import trio
from python_socks import ProxyError, ProxyType
from python_socks.async_.trio import Proxy

from trio_ohws._dial.exclusion import is_excluded
from trio_ohws._dial.system_proxy import system_proxy
from trio_ohws._dial.tcp import resolve
from trio_ohws._dial.tls import tls_trouble
from trio_ohws.errors import UNKNOWN_ERROR, BusinessError, failure
from trio_ohws.options import HttpProxy, WebSocketRequestOptions
from trio_ohws.policy import Policy
from trio_ohws.proxy_server import ProxyServer, parse_proxy_url
from trio_ohws.url import WebSocketURL

__all__ = ["choose_proxy", "name_for_proxy", "open_tunnel"]

MAX_ANSWER_SIZE: Final = 64 * 1024
"""Bytes of an HTTP proxy's answer up to its empty line."""

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r\n")
_START: Final = b"HTTP/1."
_END: Final = b"\r\n\r\n"

_TYPES: Final = {
    "http": ProxyType.HTTP,
    "https": ProxyType.HTTP,
    "socks4": ProxyType.SOCKS4,
    "socks4a": ProxyType.SOCKS4,
    "socks5": ProxyType.SOCKS5,
    "socks5h": ProxyType.SOCKS5,
}
# RFC 1928 section 6, and the SOCKS4 memo of NEC.
_SOCKS_REPLIES: Final = {
    1: "general failure",
    2: "its rules do not allow it",
    3: "no network leads to the server",
    4: "no route to the server",
    5: "the server refused the connection",
    6: "the packets' time to live expired",
    7: "it does not know the command CONNECT",
    8: "it does not support this type of address",
    91: "rejected or failed",
    92: "it cannot ask identd who we are",
    93: "identd does not confirm who we are",
}
_NO_METHOD: Final = b"\x05\xff"
_PASSWORD: Final = b"\x05\x02"


class _Link(trio.socket.SocketType):
    """An open stream as python-socks reads and writes it, which keeps what is not for python-socks."""

    def __init__(self, stream: trio.abc.Stream, proxy: ProxyServer) -> None:
        self.stream = stream
        self.proxy = proxy
        self.received = bytearray()
        self.rest = b""

    async def send(self, buffer: Any, flags: int = 0, /) -> int:
        await self.stream.send_all(buffer)
        return len(buffer)

    async def recv(self, max_bytes: int, flags: int = 0, /) -> bytes:
        if _TYPES[self.proxy.scheme] is ProxyType.HTTP:
            return await self._answer()
        received = await self._more(max_bytes)
        self.received += received
        return received

    def close(self) -> None:
        """Leave it to `open_tunnel`, which knows how to close a TLS stream without waiting."""

    async def _more(self, max_bytes: int) -> bytes:
        received = bytes(await self.stream.receive_some(max_bytes))
        if not received:
            raise _failed(self.proxy, "closed the connection without an answer")
        return received

    async def _answer(self) -> bytes:
        """Read an HTTP answer up to its empty line; return its status alone, which python-socks looks at."""
        received = bytearray()
        end = -1
        while end < 0:
            room = MAX_ANSWER_SIZE - len(received)
            if not room:
                raise _failed(self.proxy, f"sends an answer of more than {MAX_ANSWER_SIZE} bytes")
            # An end may begin in the last three bytes. What is before them is not searched again.
            searched = max(0, len(received) - len(_END) + 1)
            received += await self._more(room)
            end = received.find(_END, searched)
            # Other protocols would keep us waiting for an empty line.
            if not received.startswith(_START[: len(received)]):
                raise _failed(self.proxy, "does not speak HTTP")
        status_line = _STATUS_LINE.match(received)
        if not status_line:
            raise _failed(self.proxy, "does not speak HTTP")
        status = int(status_line[1])
        self.rest = bytes(received[end + len(_END) :])
        # RFC 9110 section 9.3.6: any 2xx opens the tunnel.
        return b"HTTP/1.1 %d \r\n\r\n" % (200 if 200 <= status < 300 else status)


class _Opened(Proxy):
    """The proxy in front, as python-socks sees it: one whose connection is open already."""

    def __init__(self, link: _Link) -> None:
        super().__init__(ProxyType.HTTP, "", 0)
        self.link = link

    async def connect(self, *arguments: Any, **options: Any) -> trio.socket.SocketType:
        await trio.lowlevel.checkpoint()
        return self.link


class _Rest(trio.abc.ReceiveStream):
    """What came behind the proxy's answer, then the stream."""

    def __init__(self, rest: bytes, stream: trio.abc.Stream) -> None:
        self.rest = rest
        self.stream = stream

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if not self.rest:
            return await self.stream.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()
        taken, self.rest = self.rest[:max_bytes], b"" if max_bytes is None else self.rest[max_bytes:]
        return taken

    async def aclose(self) -> None:
        await self.stream.aclose()


async def choose_proxy(url: WebSocketURL, options: WebSocketRequestOptions) -> ProxyServer | None:
    """Find out which proxy leads to a server.

    Args:
        url: The server.
        options: Checked options, of which ``proxy`` matters here.

    Returns:
        The proxy, or None if there is none or the server is excluded from it.

    Raises:
        BusinessError: 2302999, the system's settings make no sense.
    """
    server: ProxyServer | None
    if options.proxy is None or options.proxy == "system":
        server = await system_proxy(url)
    elif isinstance(options.proxy, HttpProxy):
        server = _from_object(options.proxy)
    elif options.proxy == "no-proxy":
        server = None
    else:
        server = parse_proxy_url(options.proxy)
    if server is None or is_excluded(url.host, url.port, server.exclusion_list):
        return None
    return server


async def name_for_proxy(proxy: ProxyServer, url: WebSocketURL, policy: Policy) -> str:
    """Find out by what name or address to tell a proxy the server.

    Args:
        proxy: The proxy.
        url: The server.
        policy: What judges the address, where it is us who look it up.

    Returns:
        An address for ``socks4`` and ``socks5``; the host itself for the others, which look it up.

    Raises:
        BusinessError: 2302998, the policy allows none of the addresses; 2302999, there is none.
    """
    if proxy.scheme in {"socks4", "socks4a"} and ":" in url.host:
        raise failure(UNKNOWN_ERROR, "SOCKS4 cannot carry an IPv6 address", "0")
    if proxy.scheme not in {"socks4", "socks5"}:
        return url.host
    family = socket.AF_INET if proxy.scheme == "socks4" else 0
    # The order of addresses is about our networks. About the proxy's we only know that IPv4 is likelier.
    return min(await resolve(url.host, url.port, policy, family), key=lambda address: ":" in address)


async def open_tunnel(stream: trio.abc.Stream, proxy: ProxyServer, host: str, port: int) -> trio.abc.Stream:
    """Ask a proxy for a tunnel to a server.

    Args:
        stream: An open stream to the proxy, on which nothing was sent yet. It is closed if this fails.
        proxy: What the proxy speaks, and our credentials.
        host: A name or address of the server, without brackets.
        port: The server's.

    Returns:
        The stream to the server: the same one, unless the server's first bytes came with the answer.

    Raises:
        BusinessError: 2302999 with data ``"0"``, as it is not the server that refused; the message has the
            proxy's status.

    If cancelled:
        The stream is closed.
    """
    link = _Link(stream, proxy)
    tunnel = Proxy(
        _TYPES[proxy.scheme],
        proxy.host,
        proxy.port,
        _latin(proxy, proxy.username),
        _latin(proxy, proxy.password or ""),
        rdns=True,
        forward=_Opened(link),
    )
    try:
        try:
            await tunnel.connect(host, port, timeout=math.inf)
        except ProxyError as error:
            raise _failed(proxy, _refusal(link, error)) from error
        except UnicodeDecodeError as error:
            # python-socks decodes the name by which a SOCKS5 proxy calls its own end.
            raise _failed(proxy, _socks_refusal(link, None)) from error
        except trio.BrokenResourceError as error:
            raise _failed(proxy, _broken(proxy, error)) from error
    except BaseException:
        # The deadline is in the past: this closes at once, and waits for nothing.
        with trio.move_on_after(0, shield=True):
            await stream.aclose()
        raise
    return trio.StapledStream(stream, _Rest(link.rest, stream)) if link.rest else stream


def _from_object(proxy: HttpProxy) -> ProxyServer:
    host = proxy.host.removeprefix("[").removesuffix("]")
    return ProxyServer("http", host, proxy.port, proxy.username, proxy.password, tuple(proxy.exclusion_list))


def _latin(proxy: ProxyServer, text: str | None) -> str | None:
    """Spell a credential so that python-socks, which encodes as latin-1, sends UTF-8 (RFC 7617)."""
    if text is None or _TYPES[proxy.scheme] is not ProxyType.HTTP:
        return text
    return text.encode().decode("latin-1")


def _failed(proxy: ProxyServer, what: str) -> BusinessError:
    return failure(UNKNOWN_ERROR, f"{proxy} {what}", "0")


def _broken(proxy: ProxyServer, error: BaseException) -> str:
    trouble = tls_trouble(error)
    if trouble:
        return f"broke off TLS: {trouble}"
    what = "broke the connection without an answer"
    # Under TLS 1.3 a proxy tells only now that it wants a certificate of us. If our request meets the end of
    # the connection first, what it said is lost.
    return f"{what}; it may require a client certificate" if proxy.scheme == "https" else what


def _refusal(link: _Link, error: ProxyError) -> str:
    if _TYPES[link.proxy.scheme] is ProxyType.HTTP:
        return _http_refusal(link.proxy, error.error_code or 0)
    return _socks_refusal(link, error.error_code)


def _http_refusal(proxy: ProxyServer, status: int) -> str:
    try:
        answered = f"answered {status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        answered = f"answered {status}"
    # tinyproxy answers 407 without credentials, and 401 to wrong ones.
    return f"{answered}: {_authentication(proxy)}" if status in {401, 407} else answered


def _socks_refusal(link: _Link, code: int | None) -> str:
    if code is not None:
        return f"refused with code {int(code)}: {_SOCKS_REPLIES.get(code, 'which has no meaning')}"
    # The answer to our methods, then to our password: RFC 1928 section 3, RFC 1929 section 2.
    method, verdict = bytes(link.received[:2]), link.received[3:4]
    if method == _NO_METHOD or (method == _PASSWORD and verdict.strip(b"\0")):
        return f"refused: {_authentication(link.proxy)}"
    return "does not speak SOCKS5" if link.proxy.scheme.startswith("socks5") else "does not speak SOCKS4"


def _authentication(proxy: ProxyServer) -> str:
    if proxy.username is None:
        return "authentication failed, as it wants a username and a password"
    return "authentication failed, as it does not accept the username and the password"
