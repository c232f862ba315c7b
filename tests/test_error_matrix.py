"""The whole matrix of errors: a row for each code and each documented cause, provoked over real sockets.

What `test_errors_table` provokes in memory (arguments, answers, states) stands there; here are the causes
that need certificates, proxies, a policy or the network, and one row at least for every code.
"""

import ssl
import struct
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trio
from trio.socket import SO_LINGER, SOL_SOCKET

from tests.certificates import PASSWORD, Certificates
from tests.echo_server import echo_server
from tests.journal import Journal
from tests.scripted_peer import TEXT, Peer, frame
from tests.test_errors_table import ENDS, GONE, REFUSED, TEXTS, WRONG, Nowhere
from tests.tls_server import greet
from trio_ohws import (
    BusinessError,
    ConnectionLost,
    HttpProxy,
    Policy,
    TlsProtocol,
    WebSocket,
    create_websocket,
)

LOOPBACK = "127.0.0.1"
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
NOWHERE = "/does/not/exist.pem"
SECRET = "s3cr3t"
VERIFY = "TLS: certificate verify failed: "
REFUSES_OURS = "TLS: the server refused our client certificate, or the lack of one (unknown ca)"
HANGS_UP = "may mean that it refused our client certificate, or the lack of one"


class Failed(NamedTuple):
    """What came of an attempt: the error, and the events that were told."""

    error: BusinessError
    events: list[tuple[object, ...]]


class World:
    """Servers and proxies on loopback ports, started as a row asks for them.

    Args:
        nursery: where they run.
        certificates: what they show.
        folder: for files that a row makes up.
    """

    def __init__(self, nursery: trio.Nursery, certificates: Certificates, folder: Path) -> None:
        self.nursery = nursery
        self.certificates = certificates
        self.folder = folder
        self.ca = certificates.ca

    async def serve(self, handler: Callable[[trio.SocketStream], Awaitable[object]]) -> int:
        """Serve connections; return the port."""
        listeners = await trio.open_tcp_listeners(0, host=LOOPBACK)
        self.nursery.start_soon(trio.serve_listeners, handler, listeners)
        port: int = listeners[0].socket.getsockname()[1]
        return port

    async def unused_port(self) -> int:
        """Return a port on which nobody listens."""
        [listener] = await trio.open_tcp_listeners(0, host=LOOPBACK)
        port: int = listener.socket.getsockname()[1]
        await listener.aclose()
        return port

    async def says(self, *answers: bytes) -> int:
        """Serve connections: one of the answers after each thing heard, then the end; return the port."""

        async def handler(stream: trio.SocketStream) -> None:
            async with stream:
                for answer in answers:
                    await stream.receive_some()
                    if answer:
                        await stream.send_all(answer)

        return await self.serve(handler)

    async def fails(self, url: str, options: Any = None, **settings: Any) -> Failed:
        """Connect, which must fail; a port of 0 is one of an echo server."""
        if ":0" in url:
            url = url.replace(":0", f":{await echo_server(self.nursery)}")
        async with create_websocket(**settings) as ws:
            journal = Journal(ws)
            with pytest.raises(BusinessError) as caught:
                await ws.connect(url, options)
        return Failed(caught.value, journal.entries)

    async def tls(self, name: str = "server", options: Any = None, **settings: Any) -> Failed:
        """Connect to a server that shows a certificate; without options, by our authority."""
        port = await self.serve(partial(greet, context=self.certificates.server_context(name)))
        return await self.fails(f"wss://localhost:{port}", options or {"caPath": self.ca}, **settings)

    async def file(self, name: str, content: bytes) -> str:
        """Write a file; return its path."""
        path = trio.Path(self.folder / name)
        await path.write_bytes(content)
        return str(path)

    async def with_ca(self, content: bytes) -> Failed:
        """Connect with a file of this content as authority."""
        return await self.tls(options={"caPath": await self.file("ca.pem", content)})

    async def with_client(
        self, cert: bytes | None = None, key: bytes | str = "client", password: str | None = None
    ) -> Failed:
        """Connect with a client certificate or a key of this content; None and a name are good ones."""
        option = self.certificates.client_cert()
        if cert is not None:
            option["certPath"] = await self.file("cert.pem", cert)
        if isinstance(key, bytes):
            option["keyPath"] = await self.file("key.pem", key)
        else:
            option["keyPath"] = self.certificates.path(f"{key}.key")
        option["keyPassword"] = password
        return await self.tls(options={"caPath": self.ca, "clientCert": option})

    async def mutual(self, version: ssl.TLSVersion, client: str | None) -> Failed:
        """Connect to a server that requires another certificate, and says so."""
        context = self.certificates.server_context(mutual=True, version=version)
        port = await self.serve(partial(greet, context=context))
        options: dict[str, Any] = {"caPath": self.ca}
        if client is not None:
            options["clientCert"] = self.certificates.client_cert(client)
        return await self.fails(f"wss://localhost:{port}", options)

    async def hung_up_on(self) -> Failed:
        """Connect to a server that shakes hands, and hangs up when it has read."""
        context = self.certificates.server_context(version=TLS13)

        async def handler(plain: trio.SocketStream) -> None:
            stream = trio.SSLStream(plain, context, server_side=True, https_compatible=True)
            await stream.receive_some()
            await stream.aclose()

        return await self.fails(f"wss://localhost:{await self.serve(handler)}", {"caPath": self.ca})

    async def old_tls(self, least: TlsProtocol | None = None) -> Failed:
        """Connect to a server that speaks TLS 1.2 only."""
        context = self.certificates.server_context(version=TLS12)
        port = await self.serve(partial(greet, context=context))
        options = {"caPath": self.ca, "minSupportTlsProtocol": least}
        return await self.fails(f"wss://localhost:{port}", options)

    async def through(self, proxy: str, *answers: bytes, target: str = "ws://example.test") -> Failed:
        """Connect through a proxy at port 0 of a URL, which gives these answers."""
        port = await self.says(*answers)
        return await self.fails(target, {"proxy": proxy.replace(":0", f":{port}")})

    async def through_tls_proxy(self, name: str) -> Failed:
        """Connect through a proxy that shows a certificate."""
        port = await self.serve(partial(greet, context=self.certificates.server_context(name)))
        options = {"caPath": self.ca, "proxy": f"https://localhost:{port}"}
        return await self.fails("ws://example.test", options)

    async def through_nobody(self) -> Failed:
        """Connect through a proxy that does not run."""
        return await self.fails("ws://example.test", {"proxy": HttpProxy(LOOPBACK, await self.unused_port())})

    async def unresolved(self, url: str, options: Any = None) -> Failed:
        """Connect where no name is known."""
        trio.socket.set_custom_hostname_resolver(Nowhere())
        return await self.fails(url, options)

    async def to_nobody(self) -> Failed:
        """Connect to a server that does not run."""
        return await self.fails(f"ws://{LOOPBACK}:{await self.unused_port()}")

    async def connected(self, use: Callable[[WebSocket], Awaitable[object]], **settings: Any) -> Failed:
        """Connect to an echo server, and then do something that must fail."""
        async with create_websocket(**settings) as ws:
            await ws.connect(f"ws://{LOOPBACK}:{await echo_server(self.nursery)}")
            journal = Journal(ws)
            with pytest.raises(BusinessError) as caught:
                await use(ws)
            return Failed(caught.value, list(journal.entries))

    async def refused(self, use: Callable[[WebSocket], Awaitable[object]], **settings: Any) -> Failed:
        """Do something that must fail without any connection."""
        async with create_websocket(**settings) as ws:
            journal = Journal(ws)
            with pytest.raises(BusinessError) as caught:
                await use(ws)
        return Failed(caught.value, journal.entries)

    async def at_once(self, use: Callable[[WebSocket], object]) -> Failed:
        """Call something that must fail, and waits for nothing."""
        async with create_websocket() as ws:
            journal = Journal(ws)
            with pytest.raises(BusinessError) as caught:
                use(ws)
        return Failed(caught.value, journal.entries)

    async def lost(self, how: Callable[[Peer], Awaitable[object]], **settings: Any) -> Failed:
        """Lose an open connection; the error is the one of who waits for a message."""

        async def handler(stream: trio.SocketStream) -> None:
            peer = Peer(stream)
            await peer.accept()
            await how(peer)

        async with create_websocket(**settings) as ws:
            journal = Journal(ws, but=("headerReceive", "open", "message", "dataEnd"))
            await ws.connect(f"ws://{LOOPBACK}:{await self.serve(handler)}")
            with pytest.raises(ConnectionLost) as caught:
                await ws.receive()
        return Failed(caught.value, journal.entries)


async def end(peer: Peer) -> None:
    """EOF without a Close."""
    await peer.stream.aclose()


async def reset(peer: Peer) -> None:
    """A reset without a Close."""
    stream = peer.stream
    assert isinstance(stream, trio.SocketStream)
    stream.socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    await stream.aclose()


async def keep_silent(peer: Peer) -> None:
    """No pong."""
    await peer.receive_all()
    await peer.stream.aclose()


def sends(*frames: bytes) -> Callable[[Peer], Awaitable[None]]:
    """Return a peer that sends what it must not, and then waits for the end."""

    async def how(peer: Peer) -> None:
        await peer.send(*frames)
        await peer.receive_all()
        await peer.stream.aclose()

    return how


HERE = f"ws://{LOOPBACK}:0"
NO_EVENT: Any = "opened"
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\n\r\n"
NO_AUTH = b"\5\0"


class Row(NamedTuple):
    """One documented cause.

    Attributes:
        code: what it leads to; 200 for what only the `error` event tells.
        cause: its name.
        provoke: makes it happen.
        words: a part of the message.
        data: the error's data.
        closes: what the `close` event that follows carries, for an open connection.
    """

    code: int
    cause: str
    provoke: Callable[[World], Awaitable[Failed]]
    words: str
    data: str | None = None
    closes: tuple[int, str] | None = None


ARGUMENTS = [
    Row(401, "an unknown option", lambda w: w.fails(HERE, {"caPaht": ""}), "did you mean 'caPath'?"),
    Row(401, "pingInterval", lambda w: w.fails(HERE, {"pingInterval": 30001}), "from 0 to 30000 seconds"),
    Row(
        401,
        "pongTimeout",
        lambda w: w.fails(HERE, {"pingInterval": 5, "pongTimeout": 6}),
        "which is 'ping_interval' ('pingInterval'), not 6",
    ),
    Row(
        401,
        "pongTimeout above the socket's",
        lambda w: w.fails(HERE, {"pongTimeout": 31}),
        "31 s is above the socket's ping_interval, 30 s",
    ),
    Row(
        401,
        "minSupportTlsProtocol",
        lambda w: w.fails(HERE, {"minSupportTlsProtocol": 4}),
        "a TlsProtocol, from 0 to 3, not 4",
    ),
    Row(
        401,
        "skipServerCertVerification",
        lambda w: w.fails(HERE, {"skipServerCertVerification": "yes"}),
        "must be a bool, not str",
    ),
    Row(
        401,
        "two sources about TLS",
        lambda w: w.fails(HERE, {"caPath": w.ca}, ssl_context=ssl.create_default_context()),
        "choose between 'ca_path' ('caPath') and ssl_context",
    ),
    Row(401, "proxy", lambda w: w.fails(HERE, {"proxy": "ftp://p"}), "'proxy' is not the URL of a proxy"),
    Row(401, "send", lambda w: w.connected(lambda ws: ws.send("\ud800")), "lone surrogates"),
    Row(401, "close", lambda w: w.connected(lambda ws: ws.close({"code": 1005})), "may not be sent"),
    Row(401, "ping", lambda w: w.connected(lambda ws: ws.ping(b"x" * 126)), "125"),
    Row(401, "on", lambda w: w.at_once(lambda ws: ws.on(NO_EVENT, print)), "'opened' is not an event"),
    Row(401, "off", lambda w: w.at_once(lambda ws: ws.off(NO_EVENT)), "'opened' is not an event"),
    Row(401, "subscribe", lambda w: w.at_once(lambda ws: ws.subscribe(NO_EVENT)), "'opened' is not an event"),
    Row(2302001, "the URL", lambda w: w.fails("http://localhost"), "did you mean 'ws'?"),
    Row(
        2302003,
        "a second connection",
        lambda w: w.connected(lambda ws: ws.connect("ws://localhost")),
        "this socket is open",
    ),
]

SANDBOX = Policy(internet=False)
LISTED = Policy(allowed_domains=["*.example.test"])
PUBLIC = Policy(allow_private_addresses=False)
WITHHELD = "the policy withholds ohos.permission.INTERNET"

POLICY = [
    Row(201, "connect without the permission", lambda w: w.fails(HERE, policy=SANDBOX), WITHHELD),
    Row(
        201,
        "send without the permission",
        lambda w: w.refused(lambda ws: ws.send("x"), policy=SANDBOX),
        WITHHELD,
    ),
    Row(
        201,
        "close without the permission",
        lambda w: w.refused(lambda ws: ws.close(), policy=SANDBOX),
        WITHHELD,
    ),
    Row(
        2302998,
        "a host that is not listed",
        lambda w: w.fails(HERE, policy=LISTED),
        "does not list '127.0.0.1'",
    ),
    Row(
        2302998,
        "a private address",
        lambda w: w.fails(HERE, policy=PUBLIC),
        "does not allow private addresses such as '127.0.0.1'",
    ),
    Row(
        2302998,
        "a name for a private address",
        lambda w: w.fails("ws://localhost:0", policy=PUBLIC),
        "does not allow private addresses such as ",
    ),
]

CERTIFICATE_FILES = [
    Row(
        2302002,
        "no caPath",
        lambda w: w.tls(options={"caPath": NOWHERE}),
        f"'ca_path' ('caPath') is '{NOWHERE}'",
    ),
    Row(
        2302002,
        "no certPath",
        lambda w: w.tls(options={"clientCert": {"certPath": NOWHERE, "keyPath": w.ca}}),
        f"'cert_path' ('certPath') is '{NOWHERE}'",
    ),
    Row(
        2302002,
        "no keyPath",
        lambda w: w.fails(HERE, {"clientCert": {"certPath": w.ca, "keyPath": NOWHERE}}),
        f"'key_path' ('keyPath') is '{NOWHERE}'",
    ),
    Row(2302999, "caPath is garbage", lambda w: w.with_ca(b"?"), "holds no certificate in PEM", "0"),
    Row(
        2302999,
        "caPath is an empty directory",
        lambda w: w.tls(options={"caPath": w.folder}),
        "holds no certificate in PEM",
        "0",
    ),
    Row(2302999, "certPath is garbage", lambda w: w.with_client(b"?"), "holds no certificate in PEM", "0"),
    Row(2302999, "keyPath is garbage", lambda w: w.with_client(key=b"?"), "holds no private key in PEM", "0"),
    Row(
        2302999,
        "a key of another certificate",
        lambda w: w.with_client(key="rogue-client"),
        "is not the key of the certificate",
        "0",
    ),
    Row(
        2302999,
        "no password",
        lambda w: w.with_client(key="client-encrypted"),
        "is encrypted, and there is no password for it",
        "0",
    ),
    Row(
        2302999,
        "a wrong password",
        lambda w: w.with_client(key="client-encrypted", password=SECRET),
        "does not open with this password",
        "0",
    ),
]

TRUST = [
    Row(2302999, "expired", lambda w: w.tls("expired"), f"{VERIFY}certificate has expired", "0"),
    Row(2302999, "another host", lambda w: w.tls("wronghost"), f"{VERIFY}hostname mismatch", "0"),
    Row(2302999, "unknown CA", lambda w: w.tls("rogue"), f"{VERIFY}unable to get local issuer", "0"),
    Row(2302999, "self-signed", lambda w: w.tls("selfsigned"), f"{VERIFY}self", "0"),
    Row(2302999, "unknown to the system", lambda w: w.tls(options={"pingInterval": 5}), VERIFY, "0"),
    Row(
        2302999,
        "unknown to a context of one's own",
        lambda w: w.tls(options={"pingInterval": 5}, ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)),
        VERIFY,
        "0",
    ),
    Row(
        2302999,
        "TLS too old",
        lambda w: w.old_tls(TlsProtocol.TLS_V_1_3),
        "TLS: the server speaks no TLS version that is accepted here",
        "0",
    ),
    Row(
        2302999,
        "no client certificate, TLS 1.2",
        lambda w: w.mutual(TLS12, None),
        "TLS: the server broke off; it may require a client certificate",
        "0",
    ),
    Row(
        2302999,
        "no client certificate, TLS 1.3",
        lambda w: w.mutual(TLS13, None),
        "TLS: the server requires a client certificate",
        "0",
    ),
    Row(2302999, "a rogue one, TLS 1.2", lambda w: w.mutual(TLS12, "rogue-client"), REFUSES_OURS, "0"),
    Row(2302999, "a rogue one, TLS 1.3", lambda w: w.mutual(TLS13, "rogue-client"), REFUSES_OURS, "0"),
    Row(2302999, "a silent server, TLS 1.3", lambda w: w.hung_up_on(), HANGS_UP, "0"),
]

PROXIES = [
    Row(2302999, "no proxy there", lambda w: w.through_nobody(), "connection refused by the proxy", "0"),
    Row(
        2302999,
        "a proxy that does not resolve",
        lambda w: w.unresolved("ws://h.test", {"proxy": f"http://u:{SECRET}@proxy.test"}),
        "cannot resolve host 'proxy.test'",
        "0",
    ),
    Row(
        2302999,
        "a proxy wants credentials",
        lambda w: w.through("http://127.0.0.1:0", b"HTTP/1.1 407 Who?\r\n\r\n"),
        "answered 407 Proxy Authentication Required: authentication failed, as it wants a username",
        "0",
    ),
    *(
        Row(
            2302999,
            f"a proxy says {status} to credentials",
            partial(
                lambda w, status: w.through(
                    f"http://u:{SECRET}@127.0.0.1:0", b"HTTP/1.1 %d No\r\n\r\n" % status
                ),
                status=status,
            ),
            "authentication failed, as it does not accept the username and the password",
            "0",
        )
        for status in (401, 407)
    ),
    Row(
        2302999,
        "a proxy refuses",
        lambda w: w.through("http://127.0.0.1:0", FORBIDDEN),
        "answered 403 Forbidden",
        "0",
    ),
    Row(
        2302999,
        "a proxy does not reach the server",
        lambda w: w.through("http://127.0.0.1:0", b"HTTP/1.1 502 Bad\r\n\r\n", target="wss://h.test"),
        "answered 502 Bad Gateway",
        "0",
    ),
    Row(
        2302999,
        "a proxy hangs up",
        lambda w: w.through("http://127.0.0.1:0", b""),
        "closed the connection without an answer",
        "0",
    ),
    Row(
        2302999,
        "a proxy that is none",
        lambda w: w.through("http://127.0.0.1:0", b"SSH-2.0-x\r\n"),
        "does not speak HTTP",
        "0",
    ),
    Row(
        2302999,
        "a SOCKS5 proxy refuses",
        lambda w: w.through("socks5h://127.0.0.1:0", NO_AUTH, b"\5\2\0\1" + bytes(6)),
        "refused with code 2: its rules do not allow it",
        "0",
    ),
    Row(
        2302999,
        "a SOCKS5 proxy does not take credentials",
        lambda w: w.through(f"socks5h://u:{SECRET}@127.0.0.1:0", b"\5\2", b"\1\1"),
        "authentication failed",
        "0",
    ),
    Row(
        2302999,
        "a SOCKS4 proxy refuses",
        lambda w: w.through("socks4a://127.0.0.1:0", b"\0\x5b" + bytes(6)),
        "refused with code 91: rejected or failed",
        "0",
    ),
    Row(
        2302999,
        "a proxy that is not to be trusted",
        lambda w: w.through_tls_proxy("rogue"),
        "certificate verify failed: unable to get local issuer certificate",
        "0",
    ),
]

NETWORK = [
    Row(2302999, "nobody listens", lambda w: w.to_nobody(), "connection refused by 127.0.0.1", "0"),
    Row(
        2302999,
        "no such host",
        lambda w: w.unresolved("ws://unknown.test"),
        "cannot resolve host 'unknown.test'",
        "0",
    ),
    Row(2302999, "send after the end", lambda w: w.refused(lambda ws: ws.send("x")), "never connected"),
]

LINK = [
    Row(200, "EOF", lambda w: w.lost(end), "the link is down", None, (1006, "The link is down")),
    Row(200, "a reset", lambda w: w.lost(reset), "the link is down", None, (1006, "The link is down")),
    Row(
        200,
        "no pong",
        lambda w: w.lost(keep_silent, ping_interval=0.05, ping_timeout=0.05),
        "the link is down",
        None,
        (1006, "The link is down"),
    ),
    Row(
        200,
        "a frame that must not be",
        lambda w: w.lost(sends(b"\x83\x00")),
        "the peer broke the protocol: reserved opcode 0x3",
        None,
        (1002, "reserved opcode 0x3"),
    ),
    Row(
        200,
        "text that is none",
        lambda w: w.lost(sends(b"\x81\x01\xff")),
        "the peer broke the protocol: ",
        None,
        (1007, ""),
    ),
    Row(
        200,
        "too large a message",
        lambda w: w.lost(sends(frame(TEXT, "xyz")), max_message_size=2),
        "the peer broke the protocol: ",
        None,
        (1009, ""),
    ),
]

ROWS = [*ARGUMENTS, *POLICY, *CERTIFICATE_FILES, *TRUST, *PROXIES, *NETWORK, *LINK]


@pytest.fixture
def world(nursery: trio.Nursery, certificates: Certificates, tmp_path: Path) -> World:
    """A world without servers."""
    return World(nursery, certificates, tmp_path)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.code} {row.cause}")
async def test_the_matrix(row: Row, world: World) -> None:
    """Each cause leads to its code, with words that help, with or without an `error` event."""
    error, events = await row.provoke(world)

    if row.code == 200:
        assert row.closes is not None
        assert (2302999, None) == (error.code, error.data)
        [told, (name, code, reason)] = events
        assert ("error", 200, "0") == told
        assert ("close", row.closes[0]) == (name, code)
        assert str(reason).startswith(row.closes[1])
    else:
        assert (row.code, row.data) == (error.code, error.data)
        assert error.message.startswith(f"{TEXTS[row.code]}: ")
        # Only what was attempted, and failed, is told as an event.
        assert [("error", 200, row.data)] * (row.data is not None) == events
    assert row.words in error.message
    assert SECRET not in f"{error!r} {error.__cause__!r}"
    assert PASSWORD not in f"{error!r} {error.__cause__!r}"


def test_every_code_has_rows() -> None:
    """Whatever the table of codes lists is provoked, and every cause has a name of its own."""
    elsewhere = {row.code for row in WRONG} | {2302999 for _ in [*REFUSED, *GONE, *ENDS]}

    assert {200, *TEXTS} == {row.code for row in ROWS}
    assert elsewhere <= {row.code for row in ROWS}
    assert len(ROWS) == len({(row.code, row.cause) for row in ROWS})
