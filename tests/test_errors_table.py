"""The table of DESIGN section 3: every code and cause, provoked; who raises it, and who is told."""

import errno
import socket
import struct
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trio
import trio.testing

from tests.journal import Journal
from tests.keeper import Keeper
from tests.reply import ignore
from tests.scripted_peer import PING, TEXT, URL, Network, Peer, close_frame, frame, polite
from trio_ohws import (
    AlreadyClosed,
    BusinessError,
    ConnectionLost,
    EndOfMessages,
    UpgradeRefused,
    WebSocket,
    create_websocket,
)
from trio_ohws._wire.frames import Violation
from trio_ohws._wire.upgrade import Refusal
from trio_ohws.policy import Policy
from trio_ohws.settings import Settings

HERE = __file__
NOWHERE = "/does/not/exist.pem"
WRONG_CERT = {"certPath": NOWHERE, "keyPath": HERE}
WRONG_KEY = {"certPath": HERE, "keyPath": NOWHERE}


# What is wrong with the arguments of connect: nothing is attempted, and no `error` event is told.


class Wrong(NamedTuple):
    """Arguments of connect, and what they lead to."""

    code: int
    url: object
    options: object
    words: str


WRONG: list[Wrong] = [
    Wrong(401, None, None, "the URL must be a str, not NoneType"),
    Wrong(401, b"ws://h", None, "the URL must be a str, not bytes"),
    Wrong(401, URL, 5, "the options must be WebSocketRequestOptions or a mapping, not int"),
    Wrong(401, URL, "chat", "or a mapping, not str"),
    Wrong(401, URL, {"headers": {}}, "'headers' is not an option of connect; did you mean 'header'?"),
    Wrong(401, URL, {"caPath": "x", "ca_path": "x"}, "given in both spellings"),
    Wrong(401, URL, {"caPath": 5}, "'ca_path' ('caPath') must be a str or a path, not int"),
    Wrong(401, URL, {"clientCert": "x"}, "'client_cert' ('clientCert') must be"),
    Wrong(401, URL, {"clientCert": {"certPath": "x"}}, "'key_path' ('keyPath')"),
    Wrong(401, URL, {"proxy": 5}, "'proxy'"),
    Wrong(401, URL, {"proxy": {"host": "h", "port": 0}}, "'port' must be from 1 to 65535, not 0"),
    Wrong(401, URL, {"protocol": 5}, "'protocol' must be a str, not int"),
    Wrong(401, URL, {"protocol": "a,,b"}, "element 2 of 'protocol' is empty"),
    Wrong(401, URL, {"protocol": "a b"}, "element 1 of 'protocol' contains ' '"),
    Wrong(401, URL, {"header": 5}, "'header' must be a mapping, not int"),
    Wrong(401, URL, {"header": {"X": 5}}, "the value of the header 'X' must be a str or a sequence of str"),
    Wrong(401, URL, {"header": {5: "x"}}, "the name of a header must be a str, not int"),
    Wrong(401, URL, {"header": {"X": "a\r\nY: b"}}, "the value of the header 'X' contains the control"),
    Wrong(401, URL, {"header": {"X": "a\nb"}}, "U+000A"),
    Wrong(401, URL, {"header": {"X": "a\0b"}}, "U+0000"),
    Wrong(401, URL, {"header": {"X Y": "a"}}, "the name of the header 'X' contains ' '"),
    Wrong(401, URL, {"header": {"": "a"}}, "the name of a header is empty"),
    Wrong(401, URL, {"header": {"Upgrade": "h2c"}}, "the header 'Upgrade' is not the program's to set"),
    Wrong(401, URL, {"header": {"X": "\ud800"}}, "lone surrogate"),
    Wrong(2302001, "", None, "must start with ws:// or wss://"),
    Wrong(2302001, "ws://", None, "there is no host"),
    Wrong(2302001, "example.test", None, "must start with ws:// or wss://"),
    Wrong(2302001, "http://h", None, "the scheme must be ws or wss, not 'http'; did you mean 'ws'?"),
    Wrong(2302001, "ws://h/" + "a" * 1018, None, "1025 characters are more than the 1024 allowed"),
    Wrong(2302001, "ws://:80/", None, "there is no host"),
    Wrong(2302001, "ws://h:0/", None, "the port must be from 1 to 65535"),
    Wrong(2302001, "ws://h:65536/", None, "the port must be from 1 to 65535"),
    Wrong(2302001, "ws://h:x/", None, "the port must consist of digits"),
    Wrong(2302001, "ws://h/\r\n", None, "whitespace (U+000D)"),
    Wrong(2302001, "ws://h/\x01", None, "a control character (U+0001)"),
    Wrong(2302001, " ws://h/", None, "whitespace (U+0020) at position 1"),
    Wrong(2302001, "ws://h/#f", None, "no fragment"),
    Wrong(2302001, "ws://u:p@h/", None, "user information"),
    Wrong(2302001, "ws://a..b/", None, "empty label"),
    Wrong(2302001, "ws://[::1/", None, "the ']' of an IPv6 address is missing"),
    Wrong(2302001, "ws://1.2.3/", None, "a numeric host must be an IPv4 address"),
    Wrong(2302001, "ws://h/%zz", None, "a '%' in the path or query"),
    Wrong(2302002, URL, {"caPath": NOWHERE}, f"'ca_path' ('caPath') is '{NOWHERE}'"),
    Wrong(2302002, URL, {"clientCert": WRONG_CERT}, f"'cert_path' ('certPath') is '{NOWHERE}'"),
    Wrong(2302002, URL, {"clientCert": WRONG_KEY}, f"'key_path' ('keyPath') is '{NOWHERE}'"),
    Wrong(2302002, "wss://h/", {"caPath": NOWHERE}, f"'ca_path' ('caPath') is '{NOWHERE}'"),
]
TEXTS = {
    201: "Permission denied",
    401: "Parameter error",
    2302001: "Websocket url error",
    2302002: "Websocket certificate file does not exist",
    2302003: "Websocket connection already exists",
    2302998: "It is not allowed to access this domain",
    2302999: "Websocket other unknown error",
}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{wrong.url!r:.20} {wrong.options!r:.60}")
async def test_wrong_arguments_of_connect(wrong: Wrong, nursery: trio.Nursery) -> None:
    """Connect raises the code, its text and what was wrong; nothing is dialled and no event is told."""
    network = Network(polite, nursery)
    async with network.websocket() as ws:
        journal = Journal(ws)
        url: Any = wrong.url
        options: Any = wrong.options
        with pytest.raises(BusinessError) as caught:
            await ws.connect(url, options)
        told: list[BusinessError] = []
        ws.connect(url, options, lambda err, value: told.append(err))
        await trio.testing.wait_all_tasks_blocked()
        error = caught.value

        assert wrong.code == error.code
        assert error.message.startswith(f"{TEXTS[wrong.code]}: ")
        assert wrong.words in error.message
        assert error.data is None
        assert [(error.code, error.message)] == [(one.code, one.message) for one in told]
        assert ("idle", None) == (ws.state, ws.url)
    assert [] == journal.entries
    assert [] == network.peers


async def test_wrong_arguments_do_no_harm_to_an_open_connection(nursery: trio.Nursery) -> None:
    """A refused connect leaves the connection, its URL and its counters as they are."""
    async with Network(polite, nursery).websocket() as ws:
        await ws.connect(URL)
        await ws.send("x")
        journal = Journal(ws)
        for url in ("ftp://h", "ws://other.test"):
            with pytest.raises(BusinessError):
                await ws.connect(url)

        assert ("open", URL, 1) == (ws.state, ws.url, ws.statistics().messages_sent)
        assert [] == journal.entries


async def test_certificate_files_are_looked_at_each_time(tmp_path: Path, nursery: trio.Nursery) -> None:
    """A file that exists by the second attempt is no reason to refuse that."""
    file = tmp_path / "ca.pem"
    async with Network(polite, nursery).websocket() as ws:
        with pytest.raises(BusinessError):
            await ws.connect(URL, {"caPath": str(file)})
        file.touch()

        assert await ws.connect(URL, {"caPath": str(file)})


# The order of the checks: each row has all that is wrong from that check on.

BAD_OPTIONS = {"caPath": NOWHERE, "wrong": 1}
ORDER = [
    pytest.param(401, 5, {"caPath": NOWHERE}, True, True, id="a URL of a wrong type"),
    pytest.param(401, "ftp://h", BAD_OPTIONS, True, True, id="wrong options"),
    pytest.param(201, "ftp://h", {"caPath": NOWHERE}, True, True, id="no permission"),
    pytest.param(2302001, "ftp://h", {"caPath": NOWHERE}, False, True, id="a bad URL"),
    pytest.param(2302998, "ws://other.test", {"caPath": NOWHERE}, False, True, id="a forbidden host"),
    pytest.param(2302002, URL, {"caPath": NOWHERE}, False, True, id="no such file"),
    pytest.param(2302003, URL, None, False, True, id="a connection"),
    pytest.param(2302999, URL, None, False, False, id="the network"),
]


@pytest.mark.parametrize(("code", "url", "options", "sandboxed", "connected"), ORDER)
async def test_the_order_of_checks(
    code: int, url: Any, options: Any, sandboxed: bool, connected: bool, nursery: trio.Nursery
) -> None:
    """Connect checks 401, 201, 2302001, 2302998, 2302002, 2302003, then the network: the first wins."""

    async def script(peer: Peer) -> None:
        if connected:
            await polite(peer)
        else:
            await peer.stream.aclose()

    policy = Policy(internet=not sandboxed, allowed_domains=["example.test"])
    async with Network(script, nursery).websocket(policy=policy) as ws:
        if connected and not sandboxed:
            await ws.connect(URL)
        with pytest.raises(BusinessError) as caught:
            await ws.connect(url, options)

    assert code == caught.value.code


# 2302003


@pytest.mark.parametrize("state", ["connecting", "open", "closing"])
async def test_a_socket_has_one_connection(
    state: str, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """While it is connecting, open or closing the socket cannot connect, says so, and is not disturbed."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        if state != "connecting":
            await peer.send(peer.answer())
        await peer.receive_all()

    async with Network(script, nursery).websocket() as ws:
        journal = Journal(ws)
        ws.connect(URL, ignore)
        if state != "connecting":
            await trio.testing.wait_all_tasks_blocked()
        if state == "closing":
            ws.close(ignore)
        before = list(journal.entries)
        with pytest.raises(BusinessError) as caught:
            await ws.connect(URL)

        assert 2302003 == caught.value.code
        assert f"Websocket connection already exists: this socket is {state}" == caught.value.message
        assert caught.value.data is None
        assert state == ws.state
        assert before == journal.entries


# 2302999 of connect: each is told as one `error` event, 200 with the same data, before it is raised.


def answers(*lines: str, body: bytes = b"", then_close: bool = False) -> Callable[[Peer], Awaitable[None]]:
    """Return a server that answers with these lines; ``{accept}`` is the right Sec-WebSocket-Accept."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        right = peer.answer().partition(b"Accept: ")[2].partition(b"\r\n")[0].decode()
        head = "\r\n".join([*lines, "", ""]).replace("{accept}", right)
        await peer.send(head.encode("latin-1") + body)
        if not then_close:
            await peer.receive_all()
        await peer.stream.aclose()

    return script


def upgrades(*changed: str, without: str = "", status: str = "HTTP/1.1 101 Fine") -> Callable[[Peer], Any]:
    """Return a server that answers 101, but with something wrong."""
    lines = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: {accept}"]
    return answers(status, *(line for line in lines if not line.startswith(without or "-")), *changed)


async def say_nothing(peer: Peer) -> None:
    """A server that never answers."""
    await peer.read_request()
    await peer.receive_all()


async def hang_up(peer: Peer) -> None:
    """A server that closes before it answers."""
    await peer.read_request()
    await peer.stream.aclose()


async def hang_up_at_once(peer: Peer) -> None:
    """A server that closes before it reads."""
    await peer.stream.aclose()


async def hang_up_in_the_head(peer: Peer) -> None:
    """A server that closes within its answer."""
    await peer.read_request()
    await peer.send(peer.answer()[:50])
    await peer.stream.aclose()


async def end_lines_with_lf(peer: Peer) -> None:
    """A server that knows no CR, and so never ends its head."""
    await peer.read_request()
    await peer.send(peer.answer().replace(b"\r", b""))
    await trio.sleep_forever()


async def never_end_the_head(peer: Peer) -> None:
    """A server whose answer has no end."""
    await peer.read_request()
    await peer.send(b"HTTP/1.1 101 Fine\r\n", *[b"X-Filler: " + b"x" * 1000 + b"\r\n"] * 70)
    await peer.receive_all()


async def never_end_the_interim_answers(peer: Peer) -> None:
    """A server that answers 100 for ever."""
    await peer.read_request()
    await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 4000)
    await peer.receive_all()


async def drip(peer: Peer) -> None:
    """A server that sends its answer so slowly that it has no end in time."""
    await peer.read_request()
    await peer.send(b"HTTP/1.1 101 Fine\r\n")
    while True:
        await trio.sleep(1)
        try:
            await peer.send(b"X: y\r\n")
        except trio.BrokenResourceError:
            return


class Refused(NamedTuple):
    """A server's way to refuse, and what it leads to."""

    script: Callable[[Peer], Awaitable[object]]
    data: str
    words: str
    cause: type[BaseException] | None = Refusal


REFUSED: dict[str, Refused] = {
    "nothing": Refused(say_nothing, "0", "no connection within connect_timeout, 60 s", None),
    "dripping": Refused(drip, "0", "no connection within connect_timeout, 60 s", None),
    "EOF": Refused(hang_up, "0", "server closed the connection before it answered"),
    "EOF at once": Refused(hang_up_at_once, "0", "server closed the connection before it answered"),
    "EOF in the head": Refused(hang_up_in_the_head, "0", "server closed the connection before it answered"),
    "garbage": Refused(answers("SSH-2.0-OpenSSH_9"), "0", "the answer is not HTTP"),
    "bad status line": Refused(answers("HTTP/1.1 one"), "0", "the status line is malformed"),
    "bad header": Refused(answers("HTTP/1.1 101 Fine", "no colon"), "101", "a header line is malformed"),
    "bad header of 403": Refused(
        answers("HTTP/1.1 403 No", " folded: x"), "403", "a header line is malformed"
    ),
    "LF": Refused(end_lines_with_lf, "0", "a line of the response head ends with LF, not with CR LF"),
    "endless head": Refused(never_end_the_head, "0", "the response head is over 65536 bytes"),
    "endless interim": Refused(never_end_the_interim_answers, "0", "the response head is over 65536 bytes"),
    "200": Refused(answers("HTTP/1.1 200 OK", body=b"<html>"), "200", "server answered 200 OK"),
    "301": Refused(answers("HTTP/1.1 301 Moved", "Location: ws://h/"), "301", "server answered 301 Moved"),
    "308": Refused(answers("HTTP/1.1 308 Moved", "Location: /x"), "308", "server answered 308 Moved"),
    "401": Refused(answers("HTTP/1.1 401 Unauthorized"), "401", "server answered 401 Unauthorized"),
    "403": Refused(
        answers("HTTP/1.1 403 Forbidden", "Content-Length: 70000", body=b"x" * 70000),
        "403",
        "server answered 403 Forbidden",
    ),
    "403 and EOF": Refused(answers("HTTP/1.1 403 Forbidden", then_close=True), "403", "403 Forbidden"),
    "426": Refused(answers("HTTP/1.1 426 Upgrade Required", "Upgrade: h2c"), "426", "426 Upgrade Required"),
    "503": Refused(answers("HTTP/1.1 503"), "503", "server answered 503"),
    "words for a terminal": Refused(answers("HTTP/1.1 500 a\x9bb"), "500", "500 a\N{REPLACEMENT CHARACTER}b"),
    "101 by HTTP/1.0": Refused(upgrades(status="HTTP/1.0 101 Fine"), "101", "by HTTP/1.0"),
    "no Upgrade": Refused(upgrades(without="Upgrade"), "101", "without 'Upgrade: websocket'"),
    "another Upgrade": Refused(upgrades("Upgrade: h2c", without="Upgrade"), "101", "'Upgrade: websocket'"),
    "no Connection": Refused(upgrades(without="Connection"), "101", "without 'Connection: Upgrade'"),
    "no key": Refused(upgrades(without="Sec"), "101", "a bad Sec-WebSocket-Accept"),
    "a bad key": Refused(
        upgrades("Sec-WebSocket-Accept: x=", without="Sec"), "101", "a bad Sec-WebSocket-Accept"
    ),
    "two keys": Refused(upgrades("Sec-WebSocket-Accept: {accept}"), "101", "a bad Sec-WebSocket-Accept"),
    "a subprotocol": Refused(
        upgrades("Sec-WebSocket-Protocol: x"), "101", "a subprotocol that was not offered"
    ),
    "two subprotocols": Refused(
        upgrades("Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: b"),
        "101",
        "a subprotocol that was not",
    ),
    "an extension": Refused(
        upgrades("Sec-WebSocket-Extensions: permessage-deflate"), "101", "an extension that was not offered"
    ),
}


async def test_a_refusal_carries_the_answers_headers(nursery: trio.Nursery) -> None:
    """What the server said beside its status can be read from the error."""
    network = Network(answers("HTTP/1.1 503 Busy", "Retry-After: 7", "Via: a", "via: b"), nursery)
    async with network.websocket() as ws:
        with pytest.raises(UpgradeRefused) as caught:
            await ws.connect(URL)

        assert 503 == caught.value.status
        assert {"retry-after": "7", "via": ["a", "b"]} == caught.value.headers
        assert "7" == caught.value.headers["Retry-After"]


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED.keys())
async def test_a_refusal_is_2302999(
    refused: Refused, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Connect raises 2302999 with the status known as `data`, and its cause; an `error` event comes first."""
    network = Network(refused.script, nursery)
    async with network.websocket() as ws:
        journal = Journal(ws)
        with pytest.raises(BusinessError) as caught:
            await ws.connect(URL, {"protocol": "a, b"})
        error = caught.value

        assert (2302999, refused.data) == (error.code, error.data)
        assert error.message.startswith("Websocket other unknown error: ")
        assert refused.words in error.message
        assert refused.cause is (None if error.__cause__ is None else type(error.__cause__))
        assert (refused.data != "0") is isinstance(error, UpgradeRefused)
        assert [("error", 200, refused.data)] == journal.entries
        assert ("closed", None) == (ws.state, ws.close_result)
        assert {} == dict(ws.response_headers)
        with pytest.raises(trio.ClosedResourceError):
            await network.streams[0].send_all(b"x")


@pytest.mark.parametrize("seconds", [0, 0.25, 5])
async def test_the_timeout_is_over_the_whole_attempt(
    seconds: float, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """`connect_timeout` seconds after its call a connect that dials or shakes hands has failed."""
    network = Network(say_nothing, nursery)
    errors = []

    async def never(url: object, options: object) -> trio.abc.Stream:
        await trio.sleep_forever()
        raise AssertionError

    for dial in (network.dial, never):
        begun = trio.current_time()
        async with WebSocket(Settings(connect_timeout=seconds), dial=dial) as ws:
            with pytest.raises(BusinessError) as caught:
                await ws.connect(URL)
        assert seconds == pytest.approx(trio.current_time() - begun)
        errors.append((caught.value.code, caught.value.data, caught.value.message.partition("within")[2]))

    assert [(2302999, "0", f" connect_timeout, {seconds:g} s")] * 2 == errors


# Causes below WebSocket, over real loopback sockets or as the operating system tells them.


class Nowhere(trio.abc.HostnameResolver):
    """A resolver that knows no name."""

    async def getaddrinfo(self, *arguments: Any) -> Any:
        """Find nothing."""
        await trio.lowlevel.checkpoint()
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def getnameinfo(self, *arguments: Any) -> Any:
        """Find nothing."""
        raise NotImplementedError


class Forbidding(trio.abc.SocketFactory):
    """Sockets that the operating system does not give, or that may not connect."""

    def __init__(self, call: str, number: int) -> None:
        self.call = call
        self.number = number

    def socket(self, family: int = -1, type: int = -1, proto: int = -1) -> trio.socket.SocketType:
        """Make one, if that is allowed."""
        error = PermissionError(self.number, "not permitted")
        if self.call == "socket":
            raise error
        made = trio.socket.from_stdlib_socket(socket.socket(family, type, proto))
        return ForbiddenSocket(made, error)


class ForbiddenSocket(trio.socket.SocketType):
    """A socket that may not connect."""

    def __init__(self, made: trio.socket.SocketType, error: OSError) -> None:
        self.made = made
        self.error = error

    async def connect(self, address: object) -> None:
        """Refuse."""
        await trio.lowlevel.checkpoint()
        raise self.error

    def close(self) -> None:
        """Close the real one."""
        self.made.close()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM], ids=errno.errorcode.get)
@pytest.mark.parametrize("call", ["socket", "connect"])
async def test_what_the_system_forbids_is_201(call: str, number: int) -> None:
    """EACCES or EPERM of `socket` or `connect` is 201, and no `error` event is told."""
    trio.socket.set_custom_socket_factory(Forbidding(call, number))
    async with create_websocket() as ws:
        journal = Journal(ws)
        with pytest.raises(BusinessError) as caught:
            await ws.connect("ws://127.0.0.1:9")
        error = caught.value

        assert (201, None) == (error.code, error.data)
        assert (
            "Permission denied: the operating system forbids connecting to 127.0.0.1 port 9" == error.message
        )
        assert isinstance(error.__cause__, OSError)
        assert [] == journal.entries
        assert "closed" == ws.state


async def test_an_unknown_host_is_2302999() -> None:
    """A name that does not resolve is told with the resolver's own words and its error as the cause."""
    trio.socket.set_custom_hostname_resolver(Nowhere())
    async with create_websocket() as ws:
        journal = Journal(ws)
        with pytest.raises(BusinessError) as caught:
            await ws.connect("ws://unknown.test/")
        error = caught.value

        assert (2302999, "0") == (error.code, error.data)
        assert "cannot resolve host 'unknown.test': Name or service not known" in error.message
        assert isinstance(error.__cause__, socket.gaierror)
        assert [("error", 200, "0")] == journal.entries


async def test_a_closed_port_is_2302999() -> None:
    """A refused connection is told with host and port."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        async with create_websocket() as ws:
            journal = Journal(ws)
            with pytest.raises(BusinessError) as caught:
                await ws.connect(f"ws://127.0.0.1:{port}")
            error = caught.value

            assert (2302999, "0") == (error.code, error.data)
            assert f"connection refused by 127.0.0.1 port {port}" in error.message
            assert isinstance(error.__cause__, OSError)
            assert [("error", 200, "0")] == journal.entries


async def reset(stream: trio.SocketStream) -> None:
    """Close so that the other end sees a reset."""
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await stream.aclose()


async def serve_once(nursery: trio.Nursery, handler: Callable[[trio.SocketStream], Awaitable[None]]) -> str:
    """Serve loopback connections; return the URL."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, handler, listeners)
    return f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}"


async def test_a_reset_in_the_handshake_is_2302999(nursery: trio.Nursery) -> None:
    """A connection that is reset before the answer is told as lost; the OSError ends its causes."""

    async def handler(stream: trio.SocketStream) -> None:
        await Peer(stream).read_request()
        await reset(stream)

    async with create_websocket() as ws:
        journal = Journal(ws)
        with pytest.raises(BusinessError) as caught:
            await ws.connect(await serve_once(nursery, handler))
        error = caught.value

        assert (2302999, "0") == (error.code, error.data)
        assert "connection lost before the server answered" in error.message
        assert isinstance(error.__cause__, Refusal)
        assert isinstance(error.__cause__.__cause__, ConnectionResetError)
        assert [("error", 200, "0")] == journal.entries


async def test_tls_against_a_plain_server_is_2302999(nursery: trio.Nursery) -> None:
    """A `wss://` URL of a server without TLS is told as such."""

    async def handler(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await stream.aclose()

    url = await serve_once(nursery, handler)
    async with create_websocket() as ws:
        journal = Journal(ws)
        with pytest.raises(BusinessError) as caught:
            await ws.connect(url.replace("ws:", "wss:"))
        error = caught.value

        assert (2302999, "0") == (error.code, error.data)
        assert "TLS: the server does not speak TLS on this port" in error.message
        assert error.__cause__ is not None
        assert [("error", 200, "0")] == journal.entries


async def test_an_error_of_the_stream_is_2302999(nursery: trio.Nursery) -> None:
    """A raw OSError of a dialler of one's own is translated too."""
    fault = OSError(errno.ENOBUFS, "No buffer space available")

    async def dial(url: object, options: object) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise fault

    async with WebSocket(dial=dial) as ws:
        journal = Journal(ws)
        with pytest.raises(BusinessError) as caught:
            await ws.connect(URL)

        assert (2302999, "0") == (caught.value.code, caught.value.data)
        assert caught.value.__cause__ is fault
        assert [("error", 200, "0")] == journal.entries


async def test_an_attempt_that_was_closed_tells_nobody(nursery: trio.Nursery) -> None:
    """After `close`, connect raises 2302999; that is no failure, so no `error` event is told."""
    async with Network(say_nothing, nursery).websocket() as ws:
        journal = Journal(ws)
        told: list[BusinessError] = []
        ws.connect(URL, lambda err, value: told.append(err))
        await trio.testing.wait_all_tasks_blocked()

        assert await ws.close()
        await trio.testing.wait_all_tasks_blocked()
        [error] = told
        assert (2302999, None) == (error.code, error.data)
        assert "the socket was closed while it was connecting" in error.message
        assert [] == journal.entries


# 2302999 of the other methods, by the state that the socket is in.


async def idle(nursery: trio.Nursery) -> WebSocket:
    """Never connected."""
    await trio.lowlevel.checkpoint()
    return Network(polite, nursery).websocket()


async def open_over(nursery: trio.Nursery, script: Callable[[Peer], Awaitable[object]]) -> WebSocket:
    """Connected, and everything done that the server's script leads to."""
    ws = Network(script, nursery).websocket()
    nursery.start_soon(live, ws)
    await trio.testing.wait_all_tasks_blocked()
    ws.connect(URL, ignore)
    await trio.testing.wait_all_tasks_blocked()
    return ws


async def live(ws: WebSocket) -> None:
    """Stay inside the block of `ws`."""
    async with ws:
        await trio.sleep_forever()


async def connecting(nursery: trio.Nursery) -> WebSocket:
    """Waiting for the answer."""
    return await open_over(nursery, say_nothing)


async def refused(nursery: trio.Nursery) -> WebSocket:
    """After an attempt that failed."""
    return await open_over(nursery, hang_up)


async def closing(nursery: trio.Nursery) -> WebSocket:
    """After our Close, before the peer's."""
    ws = await open_over(nursery, Keeper(answers=False))
    ws.close({"code": 4000, "reason": "enough"}, ignore)
    return ws


async def closed(nursery: trio.Nursery) -> WebSocket:
    """After both."""
    ws = await open_over(nursery, Keeper())
    await ws.close({"code": 4000, "reason": "enough"})
    return ws


def peer_closed(code: int | None, *, end: bool = True) -> Callable[[trio.Nursery], Awaitable[WebSocket]]:
    """After a Close frame of the peer's; without `end` it keeps the connection."""

    async def script(peer: Peer) -> None:
        await peer.accept(then=close_frame(code))
        if end:
            await peer.receive()
            await peer.stream.aclose()
        await trio.sleep_forever()

    return partial(open_over, script=script)


async def lost(nursery: trio.Nursery) -> WebSocket:
    """After an EOF without a Close."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.stream.aclose()

    return await open_over(nursery, script)


async def violated(nursery: trio.Nursery) -> WebSocket:
    """After a frame that must not be."""

    async def script(peer: Peer) -> None:
        await peer.accept(then=b"\x83\x00")
        await peer.receive()
        await peer.stream.aclose()

    return await open_over(nursery, script)


class Gone(NamedTuple):
    """A state, and the error of whoever wants to use the socket in it."""

    state: Callable[[trio.Nursery], Awaitable[WebSocket]]
    error: type[BusinessError]
    words: str
    cause: type[BaseException] | None = None


NEVER = "the socket was never connected"
NOT_YET = "the socket is not open yet"
FAILED = "the connection attempt failed"
OURS = "the socket was closed with 4000 'enough'"
GONE: dict[str, Gone] = {
    "idle": Gone(idle, BusinessError, NEVER),
    "connecting": Gone(connecting, BusinessError, NOT_YET),
    "refused": Gone(refused, BusinessError, FAILED),
    "closing": Gone(closing, AlreadyClosed, OURS),
    "closed": Gone(closed, AlreadyClosed, OURS),
    "peer closing": Gone(peer_closed(1000, end=False), ConnectionLost, "the peer closed with 1000"),
    "peer closed 1000": Gone(peer_closed(1000), ConnectionLost, "the peer closed with 1000"),
    "peer closed 1011": Gone(peer_closed(1011), ConnectionLost, "the peer closed with 1011"),
    "peer closed 1005": Gone(peer_closed(None), ConnectionLost, "the peer closed with 1005"),
    "lost": Gone(lost, ConnectionLost, "the link is down"),
    "violated": Gone(violated, ConnectionLost, "the peer broke the protocol: reserved opcode 0x3", Violation),
}
USES: dict[str, Callable[[WebSocket], Awaitable[object]]] = {
    "send": lambda ws: ws.send("x"),
    "flush": lambda ws: ws.flush(),
    "ping": lambda ws: ws.ping(),
}


@pytest.mark.parametrize("gone", GONE.values(), ids=GONE.keys())
@pytest.mark.parametrize("use", [*USES, "send_nowait", "send with callback"])
async def test_what_is_not_open_cannot_be_used(
    use: str, gone: Gone, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """send, send_nowait, flush and ping raise 2302999, of the kind that says who ended it, and why."""
    ws = await gone.state(nursery)
    if gone.state is idle:
        nursery.start_soon(live, ws)
        await trio.testing.wait_all_tasks_blocked()
    told: list[BusinessError] = []
    if use == "send with callback":
        ws.send("x", lambda err, value: told.append(err))
        await trio.testing.wait_all_tasks_blocked()
    else:
        with pytest.raises(BusinessError) as caught:
            if use == "send_nowait":
                ws.send_nowait("x")
            else:
                await USES[use](ws)
        told.append(caught.value)
    [error] = told

    assert type(error) is gone.error
    assert (2302999, None) == (error.code, error.data)
    assert f"Websocket other unknown error: {gone.words}" == error.message
    assert gone.cause is (None if error.__cause__ is None else type(error.__cause__))


ENDS: dict[str, Gone] = {
    "idle": Gone(idle, BusinessError, NEVER),
    "refused": Gone(refused, BusinessError, FAILED),
    "closed": Gone(closed, EndOfMessages, OURS),
    "peer closed 1000": Gone(peer_closed(1000), EndOfMessages, "the peer closed with 1000"),
    "peer closed 1001": Gone(peer_closed(1001), EndOfMessages, "the peer closed with 1001"),
    "peer closed 1005": Gone(peer_closed(None), EndOfMessages, "the peer closed with 1005"),
    "peer closed 1011": Gone(peer_closed(1011), ConnectionLost, "the peer closed with 1011"),
    "peer closed 4000": Gone(peer_closed(4000), ConnectionLost, "the peer closed with 4000"),
    "lost": Gone(lost, ConnectionLost, "the link is down"),
    "violated": Gone(violated, ConnectionLost, "the peer broke the protocol: reserved opcode 0x3", Violation),
}


@pytest.mark.parametrize("gone", ENDS.values(), ids=ENDS.keys())
async def test_how_messages_end(
    gone: Gone, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Receive raises, iteration and batches end or raise, by who ended the connection and with which code."""
    ws = await gone.state(nursery)
    if gone.state is idle:
        nursery.start_soon(live, ws)
        await trio.testing.wait_all_tasks_blocked()
    for _ in range(2):
        with pytest.raises(BusinessError) as caught:
            await ws.receive()
        for step in (partial(anext, ws), partial(anext, ws.batches())):
            with pytest.raises(StopAsyncIteration if gone.error is EndOfMessages else gone.error):
                await step()
        error = caught.value

        assert type(error) is gone.error
        assert (2302999, None) == (error.code, error.data)
        assert f"Websocket other unknown error: {gone.words}" == error.message
        assert gone.cause is (None if error.__cause__ is None else type(error.__cause__))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (idle, NEVER),
        (refused, "the socket is closed already"),
        (closing, "the socket is closing already"),
        (closed, "the socket is closed already"),
        (peer_closed(1000, end=False), "the socket is closing already"),
        (peer_closed(1000), "the socket is closed already"),
        (lost, "the socket is closed already"),
    ],
    ids=["idle", "refused", "closing", "closed", "peer closing", "peer closed", "lost"],
)
async def test_close_of_what_is_not_open(
    state: Callable[[trio.Nursery], Awaitable[WebSocket]],
    words: str,
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Close raises 2302999 when there is nothing to close, or it is under way; aclose joins the end."""
    ws = await state(nursery)
    if state is idle:
        nursery.start_soon(live, ws)
        await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(BusinessError) as caught:
        await ws.close()

    assert (2302999, None) == (caught.value.code, caught.value.data)
    assert f"Websocket other unknown error: {words}" == caught.value.message
    await ws.aclose()
    assert ("idle" if state is idle else "closed") == ws.state


CLOSE_OPTIONS: list[tuple[object, str]] = [
    *(({"code": code}, f"'code' {code} may not be sent") for code in (-1, 0, 999, 1004, 1005, 1006, 1015)),
    *(({"code": code}, f"'code' {code} may not be sent") for code in (1016, 2999, 5000, 65536)),
    ({"code": "1000"}, "'code' must be a number, not str"),
    ({"code": True}, "'code' must be a number, not bool"),
    ({"code": 1000.5}, "'code' must be a whole number, not 1000.5"),
    ({"reason": "x" * 124}, "'reason' is 124 bytes as UTF-8; a Close frame has room for 123"),
    ({"reason": "\N{SNOWMAN}" * 42}, "'reason' is 126 bytes as UTF-8"),
    ({"reason": 5}, "'reason' must be a str, not int"),
    ({"reason": "\ud800"}, "'reason' contains the lone surrogate U+D800"),
    ({"cod": 1000}, "'cod' is not an option of close; did you mean 'code'?"),
    (1000, "the options must be WebSocketCloseOptions or a mapping, not int"),
]


@pytest.mark.parametrize(("options", "words"), CLOSE_OPTIONS, ids=repr)
async def test_wrong_arguments_of_close(options: Any, words: str, nursery: trio.Nursery) -> None:
    """Close raises 401 first, in whatever state, and names what was wrong; the connection stays open."""
    keeper = Keeper()
    async with Network(keeper, nursery).websocket() as ws:
        journal = Journal(ws)
        told: list[BusinessError] = []
        for _ in range(2):
            with pytest.raises(BusinessError) as caught:
                await ws.close(options)
            told.append(caught.value)
            ws.close(options, lambda err, value: told.append(err))
            if ws.state == "idle":
                await ws.connect(URL)
        await trio.testing.wait_all_tasks_blocked()

        assert [(401, None)] * 4 == [(error.code, error.data) for error in told]
        assert all(error.message.startswith("Parameter error: ") and words in error.message for error in told)
        assert "open" == ws.state
        assert ["headerReceive", "open"] == journal.names()
        assert [] == keeper.frames


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 4999, 1000.0])
async def test_codes_that_may_be_sent(code: Any, nursery: trio.Nursery) -> None:
    """The codes at the edges of what is allowed go out as they are."""
    keeper = Keeper()
    async with Network(keeper, nursery).websocket() as ws:
        await ws.connect(URL)
        await ws.close({"code": code})

    assert [int(code).to_bytes(2, "big")] == [one.payload for one in keeper.frames]


# One `except` for what Trio has a word for.


@pytest.mark.parametrize(
    ("state", "trios"),
    [
        (closed, trio.ClosedResourceError),
        (lost, trio.BrokenResourceError),
        (peer_closed(1000), trio.BrokenResourceError),
    ],
    ids=["we", "link", "peer"],
)
async def test_errors_are_trios_own(
    state: Callable[[trio.Nursery], Awaitable[WebSocket]], trios: type[Exception], nursery: trio.Nursery
) -> None:
    """What Trio has an exception for is caught by it."""
    ws = await state(nursery)
    with pytest.raises(trios):
        await ws.send("x")
    with pytest.raises(trios):
        ws.send_nowait("x")


async def test_waiters_get_the_kind_too(nursery: trio.Nursery) -> None:
    """Who waits when the link breaks gets the same kind of error as who comes later."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        one = await peer.receive()
        assert one is not None
        assert PING == one.opcode
        await peer.send(frame(TEXT, "last"))
        await peer.stream.aclose()

    async with Network(script, nursery).websocket() as ws:
        await ws.connect(URL)
        with pytest.raises(ConnectionLost, match="the link is down"):
            await ws.ping()

        assert "last" == await ws.receive()
        with pytest.raises(ConnectionLost, match="the link is down"):
            await ws.receive()


async def test_each_waiter_gets_an_error_of_its_own(nursery: trio.Nursery) -> None:
    """Tracebacks grow where errors are raised, so no two tasks are given the same object."""
    errors: list[BusinessError] = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.receive()
        await peer.receive()
        await peer.stream.aclose()

    async with Network(script, nursery).websocket() as ws:
        await ws.connect(URL)

        async def ping() -> None:
            try:
                await ws.ping()
            except ConnectionLost as error:
                errors.append(error)

        async with trio.open_nursery() as waiters:
            waiters.start_soon(ping)
            waiters.start_soon(ping)

    assert 2 == len(errors)
    assert errors[0] is not errors[1]
