"""Proxies: what they are told, what their answers mean, and that neither sockets nor secrets leak."""

from __future__ import annotations

import base64
import contextlib
import errno
import pathlib
import socket
import ssl
import traceback
from collections.abc import AsyncIterator, Iterable

import pytest
import trio
import trio.testing
import trustme

from tests._dial.network import (
    LOOPBACK,
    AnsweringSocket,
    Canceller,
    FailingSocket,
    Names,
    Sockets,
    echo_server,
    talk,
)
from trio_ohws._dial.dial import dial
from trio_ohws._dial.proxy import MAX_ANSWER_SIZE, choose_proxy, open_tunnel
from trio_ohws.errors import BusinessError
from trio_ohws.options import ClientCert, HttpProxy, WebSocketRequestOptions
from trio_ohws.policy import Policy
from trio_ohws.proxy_server import ProxyServer, parse_proxy_url
from trio_ohws.url import parse_url

CA = trustme.CA()
NAME = "server.example"
PROXY_NAME = "proxy.example"
SERVER_CERT = CA.issue_cert(NAME)
PROXY_CERT = CA.issue_cert(PROXY_NAME, LOOPBACK)
SECRET = "s3cr3t"
URL = parse_url(f"ws://{NAME}:8080")

CONNECTED = b"HTTP/1.1 200 Connection established\r\nVia: nobody\r\n\r\n"
FORBIDDEN = b"HTTP/1.1 403 s3cr3t\r\nContent-Length: 2\r\n\r\nno"
NO_AUTH = b"\5\0"
WITH_PASSWORD = b"\5\2"
WELCOME = b"\1\0"
SOCKS5_OPEN = b"\5\0\0\1\0\0\0\0\0\0"
SOCKS5_OPEN_BY_NAME = b"\5\0\0\3\4name\0\0"
SOCKS5_OPEN_BY_IPV6 = b"\5\0\0\4" + bytes(18)
WANTED = "authentication failed, as it wants a username and a password"
SOCKS4_OPEN = b"\0\x5a" + bytes(6)


class ProxyPeer:
    """A proxy's end of a stream: it notes each request and gives its answers one by one, then echoes."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = answers
        self.heard: list[bytes] = []

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Play the part; the last answer may be followed by the end of the stream."""
        async with stream:
            for answer in self.answers:
                self.heard.append(bytes(await stream.receive_some(65536)))
                await stream.send_all(answer)
            if self.answers[-1:] == (b"",):
                return
            async for chunk in stream:
                await stream.send_all(chunk)


async def tunnel(
    proxy: str | ProxyServer, peer: ProxyPeer, host: str = NAME, port: int = 8080, *, hectic: bool = False
) -> trio.abc.Stream:
    """Open a tunnel through a peer in memory, whose bytes come one by one if it is hectic."""
    ours, theirs = trio.testing.lockstep_stream_pair() if hectic else trio.testing.memory_stream_pair()
    server = parse_proxy_url(proxy) if isinstance(proxy, str) else proxy

    async def play() -> None:
        await peer.serve(OneByOne(theirs) if hectic else theirs)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(play)
        stream = await open_tunnel(ours, server, host, port)
        # The peer's task ends with the test, which is over when the echo came back.
        async with stream:
            await stream.send_all(b"word")
            received = b""
            while not received.endswith(b"word"):
                received += await stream.receive_some(3)
        nursery.cancel_scope.cancel()
    peer.heard.append(received)
    return stream


class OneByOne(trio.abc.Stream):
    """A stream that sends each byte by itself."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        for byte in bytes(data):
            await self.stream.send_all(bytes([byte]))

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.stream.aclose()


async def refusal(proxy: str, *answers: bytes) -> BusinessError:
    """With which error a tunnel fails; the stream is closed then, and no secret of ours is told."""
    peer = ProxyPeer(*answers)
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, theirs)
        with pytest.raises(BusinessError) as caught:
            await open_tunnel(ours, parse_proxy_url(proxy), NAME, 8080)
        with pytest.raises(trio.ClosedResourceError):
            await ours.send_all(b"x")
        nursery.cancel_scope.cancel()
    error = caught.value

    assert (2302999, "0") == (error.code, error.data)
    assert SECRET not in "".join(traceback.format_exception(error))
    return error


@contextlib.asynccontextmanager
async def proxy_on_loopback(
    *answers: bytes, tls: ssl.SSLContext | None = None, server_tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, ProxyPeer]]:
    """Serve a proxy that plays its part for each connection, then speaks TLS as the server if it may."""
    peer = ProxyPeer(*answers)

    async def serve(plain: trio.SocketStream) -> None:
        stream: trio.abc.Stream = plain
        if tls is not None:
            stream = trio.SSLStream(plain, tls, server_side=True, https_compatible=True)
        try:
            async with stream:
                for answer in answers:
                    peer.heard.append(bytes(await stream.receive_some(65536)))
                    await stream.send_all(answer)
                if server_tls is not None:
                    stream = trio.SSLStream(stream, server_tls, server_side=True, https_compatible=True)
                await ProxyPeer().serve(stream)
        except trio.BrokenResourceError:
            # The client went away, as most clients here do.
            pass

    listeners = await trio.open_tcp_listeners(0, host=LOOPBACK)
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, serve, listeners)
        yield listeners[0].socket.getsockname()[1], peer
        nursery.cancel_scope.cancel()


def server_context(cert: trustme.LeafCert) -> ssl.SSLContext:
    """What a server with this certificate speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert.configure_cert(context)
    return context


@pytest.fixture
def ca_path(tmp_path: pathlib.Path) -> str:
    """The tests' CA as a file."""
    CA.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


def through(proxy: str | HttpProxy, **more: object) -> WebSocketRequestOptions:
    """Options with a proxy."""
    return WebSocketRequestOptions(proxy=proxy, **more)  # type: ignore[arg-type]


# CONNECT


async def test_connect() -> None:
    """An HTTP proxy is asked for a tunnel by CONNECT, with Host, and no credentials if there are none."""
    peer = ProxyPeer(CONNECTED)
    await tunnel("http://p", peer)
    request, echoed = peer.heard
    lines = request.split(b"\r\n")

    assert b"CONNECT server.example:8080 HTTP/1.1" == lines[0]
    assert b"Host: server.example:8080" in lines
    assert [b"", b""] == lines[-2:]
    assert b"proxy-authorization" not in request.lower()
    assert b"word" == echoed


async def test_connect_to_an_ipv6_address() -> None:
    """An IPv6 address has brackets in a request."""
    peer = ProxyPeer(CONNECTED)
    await tunnel("http://p", peer, "2001:db8::1")

    assert peer.heard[0].startswith(b"CONNECT [2001:db8::1]:8080 HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n")


@pytest.mark.parametrize(
    ("credentials", "sent"),
    [
        ("user:pw", b"user:pw"),
        ("user", b"user:"),
        ("ü:%C3%A9:%2F", "ü:é:/".encode()),
        ("漢:字", "漢:字".encode()),
    ],
)
async def test_basic_credentials(credentials: str, sent: bytes) -> None:
    """Credentials go into Proxy-Authorization, as UTF-8."""
    peer = ProxyPeer(CONNECTED)
    await tunnel(f"http://{credentials}@p", peer)

    assert b"\r\nProxy-Authorization: Basic %b\r\n" % base64.b64encode(sent) in peer.heard[0]


@pytest.mark.parametrize(
    "answer",
    [
        CONNECTED,
        b"HTTP/1.0 200\r\n\r\n",
        b"HTTP/1.1 200 \r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 299 A  long\treason\r\n\r\n",
    ],
)
@pytest.mark.parametrize("hectic", [False, True])
async def test_an_answer_that_opens(answer: bytes, hectic: bool) -> None:
    """Any 2xx opens the tunnel, in whatever pieces it comes."""
    peer = ProxyPeer(answer)
    await tunnel("http://p", peer, hectic=hectic)

    assert b"word" == peer.heard[-1]


@pytest.mark.parametrize("cut", range(1, 6))
async def test_what_comes_behind_the_answer_is_kept(cut: int) -> None:
    """The server's first bytes may come with the proxy's answer, and none of them is lost."""
    ours, theirs = trio.testing.memory_stream_pair()
    await theirs.send_all(CONNECTED + b"hello")
    stream = await open_tunnel(ours, ProxyServer("http", "p", 80), NAME, 80)
    await theirs.send_all(b" world")
    received = [bytes(await stream.receive_some(cut)), bytes(await stream.receive_some())]
    while len(b"".join(received)) < len(b"hello world"):
        received.append(bytes(await stream.receive_some()))

    assert b"hello"[:cut] == received[0]
    assert b"hello world" == b"".join(received)
    await stream.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await ours.send_all(b"x")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (FORBIDDEN, "the proxy p port 80 answered 403 Forbidden"),
        (b"HTTP/1.1 502 Bad\r\n\r\n", "the proxy p port 80 answered 502 Bad Gateway"),
        (b"HTTP/1.1 503 \r\n\r\n", "the proxy p port 80 answered 503 Service Unavailable"),
        (b"HTTP/1.1 599 s3cr3t\r\n\r\n", "the proxy p port 80 answered 599"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", "the proxy p port 80 answered 302 Found"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "the proxy p port 80 answered 101 Switching Protocols"),
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            f"the proxy p port 80 answered 407 Proxy Authentication Required: {WANTED}",
        ),
        (
            b"HTTP/1.1 401 Unauthorized\r\n\r\n",
            f"the proxy p port 80 answered 401 Unauthorized: {WANTED}",
        ),
        (b"SSH-2.0-OpenSSH\r\n", "the proxy p port 80 does not speak HTTP"),
        (b"\x15\3\3\0\2\2\x46", "the proxy p port 80 does not speak HTTP"),
        (b"HTTP/2 200\r\n\r\n", "the proxy p port 80 does not speak HTTP"),
        (b"HTTP/1.1 20\r\n\r\n", "the proxy p port 80 does not speak HTTP"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "the proxy p port 80 does not speak HTTP"),
        (b"HTTP/1.1 OK\r\n\r\n", "the proxy p port 80 does not speak HTTP"),
        (b"", "the proxy p port 80 closed the connection without an answer"),
    ],
)
async def test_an_http_refusal(answer: bytes, words: str) -> None:
    """A refusal is told with the proxy's status, in our words rather than the proxy's."""
    error = await refusal("http://p", answer)

    assert f"Websocket other unknown error: {words}" == error.message


@pytest.mark.parametrize("status", [401, 407])
async def test_wrong_credentials(status: int) -> None:
    """Where there were credentials, they are what is wrong; the text does not repeat them."""
    error = await refusal(f"http://{SECRET}:{SECRET}@p", b"HTTP/1.1 %d No\r\n\r\n" % status)

    assert f"answered {status} " in error.message
    assert "authentication failed, as it does not accept the username and the password" in error.message


async def test_an_endless_answer() -> None:
    """An answer without an end is not read for ever."""
    error = await refusal("http://p", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * MAX_ANSWER_SIZE)

    assert f"sends an answer of more than {MAX_ANSWER_SIZE} bytes" in error.message


async def test_the_limit_of_an_answer() -> None:
    """An answer of exactly the limit opens the tunnel; of a longer one the end is not awaited."""
    start, end = b"HTTP/1.1 200 OK\r\nA: ", b"\r\n\r\n"
    fits = start + b"x" * (MAX_ANSWER_SIZE - len(start) - len(end)) + end
    peer = ProxyPeer(fits + b"rest")
    await tunnel("http://p", peer)
    error = await refusal("http://p", fits.replace(b"x", b"xx", 1))

    assert b"restword" == peer.heard[-1]
    assert "sends an answer of more than" in error.message


async def test_a_broken_connection() -> None:
    """A connection that breaks before the answer is told as such, with its cause."""
    ours, theirs = trio.testing.memory_stream_pair()
    await theirs.aclose()
    with pytest.raises(BusinessError) as caught:
        await open_tunnel(ours, ProxyServer("http", "p", 80), NAME, 80)

    assert (2302999, "0") == (caught.value.code, caught.value.data)
    assert "the proxy p port 80 broke the connection without an answer" in caught.value.message
    assert isinstance(caught.value.__cause__, trio.BrokenResourceError)


# SOCKS

SOCKS5_BY_NAME = b"\5\1\0\3\x0eserver.example\x1f\x90"


@pytest.mark.parametrize("hectic", [False, True])
@pytest.mark.parametrize("answer", [SOCKS5_OPEN, SOCKS5_OPEN_BY_NAME, SOCKS5_OPEN_BY_IPV6])
async def test_socks5h(answer: bytes, hectic: bool) -> None:
    """SOCKS5 is told the name, and its answer is read to the last byte and no further."""
    peer = ProxyPeer(NO_AUTH, answer)
    await tunnel("socks5h://p", peer, hectic=hectic)

    assert [b"\5\1\0", SOCKS5_BY_NAME, b"word"] == peer.heard


async def test_socks5_credentials() -> None:
    """Username and password are offered, and sent if the proxy wants them."""
    peer = ProxyPeer(WITH_PASSWORD, WELCOME, SOCKS5_OPEN)
    await tunnel("socks5h://us:pwd@p", peer)

    assert [b"\5\2\0\2", b"\1\2us\3pwd", SOCKS5_BY_NAME, b"word"] == peer.heard


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("10.0.0.1", b"\5\1\0\1\x0a\0\0\1\x1f\x90"),
        ("2001:db8::1", b"\5\1\0\4\x20\1\x0d\xb8" + bytes(11) + b"\1\x1f\x90"),
        ("::1", b"\5\1\0\4" + bytes(15) + b"\1\x1f\x90"),
        ("a_b.example.", b"\5\1\0\3\x0ca_b.example.\x1f\x90"),
    ],
)
async def test_socks5_targets(host: str, target: bytes) -> None:
    """An address is told as an address."""
    peer = ProxyPeer(NO_AUTH, SOCKS5_OPEN)
    await tunnel("socks5h://p", peer, host)

    assert target == peer.heard[1]


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("socks4a://p", b"\4\1\x1f\x90\0\0\0\1\0server.example\0"),
        ("socks4a://me@p", b"\4\1\x1f\x90\0\0\0\1me\0server.example\0"),
    ],
)
async def test_socks4a(url: str, target: bytes) -> None:
    """SOCKS4a is told the name, and who we are."""
    peer = ProxyPeer(SOCKS4_OPEN)
    await tunnel(url, peer)

    assert [target, b"word"] == peer.heard


@pytest.mark.parametrize(
    ("url", "answers", "words"),
    [
        ("socks5h://p", [b"\5\xff"], "refused: authentication failed, as it wants a username and a password"),
        (f"socks5h://u:{SECRET}@p", [b"\5\xff"], "refused: authentication failed, as it does not accept the"),
        (
            f"socks5h://u:{SECRET}@p",
            [b"\5\2", b"\1\1"],
            "refused: authentication failed, as it does not accept",
        ),
        ("socks5h://p", [NO_AUTH, b"\5\1\0"], "refused with code 1: general failure"),
        ("socks5h://p", [NO_AUTH, b"\5\2\0"], "refused with code 2: its rules do not allow it"),
        ("socks5h://p", [NO_AUTH, b"\5\3\0"], "refused with code 3: no network leads to the server"),
        ("socks5h://p", [NO_AUTH, b"\5\4\0"], "refused with code 4: no route to the server"),
        ("socks5h://p", [NO_AUTH, b"\5\5\0"], "refused with code 5: the server refused the connection"),
        ("socks5h://p", [NO_AUTH, b"\5\6\0"], "refused with code 6: the packets' time to live expired"),
        ("socks5h://p", [NO_AUTH, b"\5\7\0"], "refused with code 7: it does not know the command CONNECT"),
        (
            "socks5h://p",
            [NO_AUTH, b"\5\x08\0"],
            "refused with code 8: it does not support this type of address",
        ),
        ("socks5h://p", [NO_AUTH, b"\5\x09\0"], "does not speak SOCKS5"),
        ("socks5h://p", [NO_AUTH, b"\5\0\0\3\2\xff\xff\0\0"], "does not speak SOCKS5"),
        ("socks5h://p", [NO_AUTH, b"HTTP/1.1"], "does not speak SOCKS5"),
        ("socks5h://p", [b"HTTP/1.1 400 "], "does not speak SOCKS5"),
        ("socks5h://p", [b""], "closed the connection without an answer"),
        ("socks5h://p", [NO_AUTH, b""], "closed the connection without an answer"),
        ("socks4a://p", [b"\0\x5b" + bytes(6)], "refused with code 91: rejected or failed"),
        ("socks4a://p", [b"\0\x5c" + bytes(6)], "refused with code 92: it cannot ask identd who we are"),
        ("socks4a://p", [b"\0\x5d" + bytes(6)], "refused with code 93: identd does not confirm who we are"),
        ("socks4a://p", [b"HTTP/1.1 400 "], "does not speak SOCKS4"),
        ("socks4a://p", [b""], "closed the connection without an answer"),
    ],
)
async def test_a_socks_refusal(url: str, answers: list[bytes], words: str) -> None:
    """A refusal is told with the proxy's code and what that means."""
    error = await refusal(url, *answers)

    assert f"Websocket other unknown error: the proxy p port 1080 {words}" in error.message


@pytest.mark.parametrize(
    ("url", "target"),
    [("socks4://p", b"\4\1\x1f\x90\x0a\0\0\1\0"), ("socks5://p", b"\5\1\0\1\x0a\0\0\1\x1f\x90")],
)
async def test_socks_with_our_look_up(url: str, target: bytes) -> None:
    """socks4 and socks5 are told an address that we looked up, IPv4 if there is one."""
    resolver = Names("2001:db8::1", "10.0.0.1", by_name={"p": LOOPBACK})
    trio.socket.set_custom_hostname_resolver(resolver)
    answers = (SOCKS4_OPEN,) if url.startswith("socks4") else (NO_AUTH, SOCKS5_OPEN)
    async with proxy_on_loopback(*answers) as (port, peer):
        stream = await dial(URL, through(f"{url}:{port}"))

        assert b"word" == await talk(stream)
    assert target == peer.heard[-1]


async def test_socks_with_our_look_up_finds_ipv6_only() -> None:
    """Where there is no IPv4 address, socks5 is told the other."""
    trio.socket.set_custom_hostname_resolver(Names("2001:db8::1", by_name={"p": LOOPBACK}))
    async with proxy_on_loopback(NO_AUTH, SOCKS5_OPEN) as (port, peer):
        stream = await dial(URL, through(f"socks5://p:{port}"))

        assert b"word" == await talk(stream)
    assert peer.heard[-1].startswith(b"\5\1\0\4\x20\1\x0d\xb8")


@pytest.mark.parametrize(
    ("proxy", "url", "words"),
    [
        ("socks4://p", "ws://[2001:db8::1]", "SOCKS4 cannot carry an IPv6 address"),
        ("socks4a://p", "ws://[2001:db8::1]", "SOCKS4 cannot carry an IPv6 address"),
        ("socks5://p", "ws://server.example", "cannot resolve host 'server.example'"),
    ],
)
async def test_a_target_that_cannot_be_told(proxy: str, url: str, words: str) -> None:
    """If we have no address to tell, the proxy is not dialled."""
    sockets = Sockets()
    trio.socket.set_custom_hostname_resolver(Names())
    trio.socket.set_custom_socket_factory(sockets)
    with pytest.raises(BusinessError) as caught:
        await dial(parse_url(url), through(proxy))

    assert (2302999, "0") == (caught.value.code, caught.value.data)
    assert words in caught.value.message
    assert [] == sockets.real


# Dialling through a proxy


@pytest.mark.parametrize("host", [LOOPBACK, "p", "[::ffff:127.0.0.1]"])
async def test_ws_through_an_http_proxy(host: str) -> None:
    """A ws:// connection is a tunnel on the plain socket to the proxy; the server is not looked up."""
    resolver = Names(LOOPBACK)
    trio.socket.set_custom_hostname_resolver(resolver)
    async with proxy_on_loopback(CONNECTED) as (port, peer):
        stream = await dial(URL, through(HttpProxy(host, port, "u", "s")))

        assert isinstance(stream, trio.SocketStream)
        assert b"word" == await talk(stream)
    assert peer.heard[0].startswith(b"CONNECT server.example:8080 ")
    assert b"\r\nProxy-Authorization: Basic dTpz\r\n" in peer.heard[0]
    assert NAME.encode() not in resolver.asked


@pytest.mark.parametrize(
    ("url", "answers"), [("http://p:{}", (CONNECTED,)), ("socks5h://p:{}", (NO_AUTH, SOCKS5_OPEN))]
)
async def test_wss_is_tls_inside_the_tunnel(ca_path: str, url: str, answers: tuple[bytes, ...]) -> None:
    """A wss:// connection shakes hands with the server, whose name is the one that is verified."""
    trio.socket.set_custom_hostname_resolver(Names(LOOPBACK))
    async with proxy_on_loopback(*answers, server_tls=server_context(SERVER_CERT)) as (port, _):
        stream = await dial(parse_url(f"wss://{NAME}"), through(url.format(port), ca_path=ca_path))

        assert isinstance(stream, trio.SSLStream)
        assert NAME == stream.server_hostname
        assert b"word" == await talk(stream)


async def test_a_tunnel_that_ends_at_another_server(ca_path: str) -> None:
    """A proxy that leads elsewhere is found out by the certificate."""
    async with proxy_on_loopback(CONNECTED, server_tls=server_context(PROXY_CERT)) as (port, _):
        with pytest.raises(BusinessError) as caught:
            await dial(parse_url(f"wss://{NAME}"), through(HttpProxy(LOOPBACK, port), ca_path=ca_path))

    assert "TLS: certificate verify failed: hostname mismatch" in caught.value.message


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_tls_to_the_proxy(ca_path: str, scheme: str) -> None:
    """An https proxy is verified by its own name, before it hears anything; wss is TLS within TLS then."""
    names: list[str | None] = []
    context = server_context(PROXY_CERT)
    context.sni_callback = lambda _connection, name, _context: names.append(name)
    inner = server_context(SERVER_CERT) if scheme == "wss" else None
    trio.socket.set_custom_hostname_resolver(Names(LOOPBACK))
    async with proxy_on_loopback(CONNECTED, tls=context, server_tls=inner) as (port, peer):
        options = through(f"https://u:{SECRET}@{PROXY_NAME}.:{port}", ca_path=ca_path)
        stream = await dial(parse_url(f"{scheme}://{NAME}"), options)

        assert isinstance(stream, trio.SSLStream)
        assert b"word" == await talk(stream)
    assert [PROXY_NAME] == names
    assert peer.heard[0].startswith(b"CONNECT server.example:")


async def test_the_proxy_does_not_see_our_certificate(ca_path: str, tmp_path: pathlib.Path) -> None:
    """The client certificate is for the server, though the proxy asks for one."""
    mine = CA.issue_cert("me@example.org")
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    mine.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    seen: list[object] = []

    context = server_context(PROXY_CERT)
    CA.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    peer = ProxyPeer(CONNECTED)

    async def serve(plain: trio.SocketStream) -> None:
        stream = trio.SSLStream(plain, context, server_side=True, https_compatible=True)
        await stream.do_handshake()
        seen.append(stream.getpeercert())
        await peer.serve(stream)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host=LOOPBACK)
        await nursery.start(trio.serve_listeners, serve, listeners)
        port = listeners[0].socket.getsockname()[1]
        cert = ClientCert(tmp_path / "cert.pem", tmp_path / "key.pem")
        stream = await dial(URL, through(f"https://{LOOPBACK}:{port}", ca_path=ca_path, client_cert=cert))
        await talk(stream)
        nursery.cancel_scope.cancel()

    assert [None] == seen


async def test_a_proxy_that_wants_a_certificate(ca_path: str) -> None:
    """A proxy that wants a certificate of us is told apart from one that breaks."""
    context = server_context(PROXY_CERT)
    CA.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]

        def refuse() -> None:
            # Not trio's stream: it keeps the alert to itself. To close with our request unread would reset
            # the connection, and the alert be lost on the way.
            accepted, _ = listener.accept()
            with accepted.dup() as still_open:
                with contextlib.suppress(ssl.SSLError):
                    context.wrap_socket(accepted, server_side=True)
                while still_open.recv(65536):
                    pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, refuse)
            with pytest.raises(BusinessError) as caught:
                await dial(URL, through(f"https://{LOOPBACK}:{port}", ca_path=ca_path))

    assert f"the proxy {LOOPBACK} port {port} broke off TLS: the server requires a client certificate" in (
        caught.value.message
    )


async def test_an_untrusted_proxy() -> None:
    """An https proxy that the system does not vouch for hears nothing, and is named."""
    async with proxy_on_loopback(CONNECTED, tls=server_context(PROXY_CERT)) as (port, peer):
        with pytest.raises(BusinessError) as caught:
            await dial(URL, through(f"https://u:{SECRET}@{LOOPBACK}:{port}"))

    assert (2302999, "0") == (caught.value.code, caught.value.data)
    assert f"TLS to the proxy {LOOPBACK} port {port}: certificate verify failed" in caught.value.message
    assert isinstance(caught.value.__cause__, trio.BrokenResourceError)
    assert [] == peer.heard
    assert SECRET not in "".join(traceback.format_exception(caught.value))


async def test_a_proxy_that_does_not_speak_tls() -> None:
    """An https:// that should be http:// is told as such."""
    async with echo_server() as port:
        with pytest.raises(BusinessError) as caught:
            await dial(URL, through(f"https://{LOOPBACK}:{port}"))

    assert f"TLS to the proxy {LOOPBACK} port {port}: " in caught.value.message


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (errno.ECONNREFUSED, 2302999, "connection refused by the proxy p port 3128"),
        (errno.EHOSTUNREACH, 2302999, "no route to the proxy p port 3128"),
        (errno.EACCES, 201, "the operating system forbids connecting to the proxy p port 3128"),
    ],
)
async def test_a_proxy_out_of_reach(number: int, code: int, words: str) -> None:
    """Why the proxy cannot be reached is told as for a server, and it is the proxy that is named."""
    trio.socket.set_custom_hostname_resolver(Names(LOOPBACK))
    trio.socket.set_custom_socket_factory(Sockets(FailingSocket(OSError(number, ""))))
    with pytest.raises(BusinessError) as caught:
        await dial(URL, through(f"http://u:{SECRET}@p:3128"))

    assert code == caught.value.code
    assert words in caught.value.message
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("host", ["p", "bü..cher"])
async def test_a_proxy_that_does_not_resolve(host: str) -> None:
    """A proxy that has no address is named."""
    trio.socket.set_custom_hostname_resolver(Names(error=socket.gaierror(socket.EAI_NONAME, "unknown")))
    with pytest.raises(BusinessError) as caught:
        await dial(URL, through(HttpProxy(host, 3128)))

    assert (2302999, "0") == (caught.value.code, caught.value.data)
    assert f"cannot resolve host {host!r}" in caught.value.message


async def test_a_dead_address_of_the_proxy(autojump_clock: trio.testing.MockClock) -> None:
    """Happy eyeballs go for the proxy, too: while one of its addresses says nothing, the next is tried."""
    mute = FailingSocket(None)
    trio.socket.set_custom_hostname_resolver(Names("192.0.2.1", LOOPBACK))
    async with proxy_on_loopback(CONNECTED) as (port, _):
        trio.socket.set_custom_socket_factory(Sockets(mute))
        stream = await dial(URL, through(f"http://p:{port}"))

        assert b"word" == await talk(stream)
    assert mute.closed


async def test_a_mute_proxy_is_the_callers_to_time(autojump_clock: trio.testing.MockClock) -> None:
    """There is no timeout of our own, nor of python-socks': the caller's is over everything."""
    ours, _theirs = trio.testing.memory_stream_pair()
    started = trio.current_time()
    with trio.move_on_after(3600) as scope:
        await open_tunnel(ours, ProxyServer("http", "p", 80), NAME, 80)

    assert scope.cancelled_caught
    assert 3600 == trio.current_time() - started
    with pytest.raises(trio.ClosedResourceError):
        await ours.send_all(b"x")


CANCELLED = [
    ("ws", "http://u:s@p:{}", (CONNECTED,)),
    ("wss", "http://p:{}", (CONNECTED,)),
    ("ws", "https://p:{}", (CONNECTED,)),
    ("wss", "https://p:{}", (CONNECTED,)),
    ("ws", "socks5h://u:s@p:{}", (WITH_PASSWORD, WELCOME, SOCKS5_OPEN)),
    ("ws", "socks4://p:{}", (SOCKS4_OPEN,)),
]


@pytest.mark.parametrize(("scheme", "proxy", "answers"), CANCELLED)
async def test_cancelled_at_every_step(
    tmp_path: pathlib.Path, scheme: str, proxy: str, answers: Iterable[bytes]
) -> None:
    """Wherever dialling through a proxy is cancelled, Cancelled comes through and no socket stays open."""
    both = CA.issue_cert(NAME, "p")
    CA.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    sockets = Sockets()
    trio.socket.set_custom_hostname_resolver(Names(LOOPBACK))
    async with proxy_on_loopback(
        *answers,
        tls=server_context(both) if proxy.startswith("https") else None,
        server_tls=server_context(both) if scheme == "wss" else None,
    ) as (port, _):
        trio.socket.set_custom_socket_factory(sockets)
        options = through(proxy.format(port), ca_path=tmp_path / "ca.pem")
        stream: trio.abc.Stream | None = None
        steps = 0
        while stream is None:
            steps += 1
            with trio.CancelScope() as scope:
                canceller = Canceller(scope, steps)
                trio.lowlevel.add_instrument(canceller)
                try:
                    stream = await dial(parse_url(f"{scheme}://{NAME}"), options)
                finally:
                    trio.lowlevel.remove_instrument(canceller)

            assert scope.cancelled_caught or stream is not None
            if stream is None:
                assert {-1} >= {made.fileno() for made in sockets.real}
        assert b"word" == await talk(stream)

    assert steps > 6
    assert {-1} == {made.fileno() for made in sockets.real}


# Which proxy, if any


@pytest.mark.parametrize(
    ("proxy", "server"),
    [
        ("no-proxy", None),
        (HttpProxy("p", 3128), ProxyServer("http", "p", 3128)),
        (HttpProxy("[::1]", 3128, "u", "s"), ProxyServer("http", "::1", 3128, "u", "s")),
        (
            HttpProxy("p", 1, exclusion_list=["a", "b"]),
            ProxyServer("http", "p", 1, exclusion_list=("a", "b")),
        ),
        (HttpProxy("p", 1, exclusion_list=["a", "*.example"]), None),
        (HttpProxy("p", 1, exclusion_list=["server.example:8080"]), None),
        (
            HttpProxy("p", 1, exclusion_list=["server.example:80"]),
            ProxyServer("http", "p", 1, exclusion_list=("server.example:80",)),
        ),
        ("socks5h://u:s@p:1", ProxyServer("socks5h", "p", 1, "u", "s")),
    ],
)
async def test_which_proxy(
    monkeypatch: pytest.MonkeyPatch, proxy: HttpProxy | str, server: ProxyServer | None
) -> None:
    """What the options say is what counts: the environment has no part in it."""
    monkeypatch.setenv("http_proxy", "http://other")
    monkeypatch.setenv("no_proxy", "*")

    assert server == await choose_proxy(URL, through(proxy))


@pytest.mark.parametrize("options", [WebSocketRequestOptions(), WebSocketRequestOptions(proxy="system")])
async def test_the_systems_proxy(monkeypatch: pytest.MonkeyPatch, options: WebSocketRequestOptions) -> None:
    """Without a word about proxies, and by the word "system", the environment decides, exclusions too."""
    monkeypatch.setenv("http_proxy", "http://u:s@p:3128")
    monkeypatch.setenv("no_proxy", "localhost, .excluded.example")
    server = await choose_proxy(URL, options)

    assert server is not None
    assert ("http", "p", 3128, "u", "s") == (
        server.scheme,
        server.host,
        server.port,
        server.username,
        server.password,
    )
    assert await choose_proxy(parse_url("ws://a.excluded.example"), options) is None


async def test_an_excluded_server_is_dialled_directly() -> None:
    """A server on the exclusion list gets our bytes without the proxy."""
    async with echo_server() as port:
        stream = await dial(
            parse_url(f"ws://{LOOPBACK}:{port}"),
            through(HttpProxy("192.0.2.1", 1, exclusion_list=[LOOPBACK])),
        )

        assert b"word" == await talk(stream)


# Policy


async def test_a_policy_does_not_judge_the_proxy() -> None:
    """With a proxy the target's name is what a policy judges, at the door: a proxy nearby is no obstacle."""
    trio.socket.set_custom_hostname_resolver(Names(LOOPBACK))
    async with proxy_on_loopback(CONNECTED) as (port, peer):
        stream = await dial(URL, through(f"http://p:{port}"), Policy(allow_private_addresses=False))

        assert b"word" == await talk(stream)
    assert peer.heard[0].startswith(b"CONNECT server.example:8080 ")


@pytest.mark.parametrize("proxy", ["socks4://p", "socks5://p"])
async def test_a_policy_judges_what_we_look_up_for_a_proxy(proxy: str) -> None:
    """Where it is us who look the name up, the address is judged before the proxy is dialled."""
    unused = AnsweringSocket()
    trio.socket.set_custom_hostname_resolver(Names("10.0.0.1"))
    trio.socket.set_custom_socket_factory(Sockets(unused))
    with pytest.raises(BusinessError) as caught:
        await dial(URL, through(proxy), Policy(allow_private_addresses=False))

    assert 2302998 == caught.value.code
    assert not unused.connected
