"""The facade: every overload, both spellings of options, every property."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import trio
import trio.testing

import trio_ohws
from tests.journal import CONNECTED, Journal
from tests.keeper import NORMAL, Keeper
from tests.reply import Reply, ignore
from tests.scripted_peer import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    URL,
    Frame,
    Network,
    Peer,
    close_frame,
    echo,
    frame,
    polite,
)
from trio_ohws import (
    BusinessError,
    ClientCert,
    CloseResult,
    HttpProxy,
    WebSocket,
    WebSocketCloseOptions,
    WebSocketRequestOptions,
    create_websocket,
    open_websocket,
)

# connect

CONNECTS: dict[str, Callable[[WebSocket, Reply], Any]] = {
    "url, callback": lambda ws, reply: ws.connect(URL, reply),
    "url, options, callback": lambda ws, reply: ws.connect(URL, {"protocol": "chat"}, reply),
    "url, None, callback": lambda ws, reply: ws.connect(URL, None, reply),
    "url, callback=": lambda ws, reply: ws.connect(URL, callback=reply),
}
AWAITED_CONNECTS: dict[str, Callable[[WebSocket], Any]] = {
    "url": lambda ws: ws.connect(URL),
    "url, None": lambda ws: ws.connect(URL, None),
    "url, mapping": lambda ws: ws.connect(URL, {"protocol": "chat"}),
    "url, empty mapping": lambda ws: ws.connect(URL, {}),
    "url, options": lambda ws: ws.connect(URL, WebSocketRequestOptions(protocol="chat")),
    "url, None, None": lambda ws: ws.connect(URL, None, None),
}


async def accept_any(peer: Peer) -> None:
    """A server that chooses the first subprotocol offered."""
    head = await peer.read_request()
    chosen = [("Sec-WebSocket-Protocol", "chat")] if b"Protocol: chat" in head else []
    await peer.send(peer.answer(chosen))
    await peer.serve_politely()


@pytest.mark.parametrize("connect", AWAITED_CONNECTS.values(), ids=AWAITED_CONNECTS.keys())
async def test_connect_without_callback_returns_true(
    connect: Callable[[WebSocket], Awaitable[bool]], nursery: trio.Nursery
) -> None:
    """Awaited, connect returns True after `open` was told."""
    async with Network(accept_any, nursery).websocket() as ws:
        journal = Journal(ws)

        assert await connect(ws) is True
        assert CONNECTED == journal.entries
        assert "open" == ws.state


@pytest.mark.parametrize("connect", CONNECTS.values(), ids=CONNECTS.keys())
async def test_connect_with_callback_calls_it(
    connect: Callable[[WebSocket, Reply], object], nursery: trio.Nursery
) -> None:
    """With a callback connect returns None, is connecting at once, and calls (None, True) after `open`."""
    async with Network(accept_any, nursery).websocket() as ws:
        reply, journal = Reply(), Journal(ws)
        result = connect(ws, reply)

        assert result is None
        assert "connecting" == ws.state
        assert [] == reply.calls
        await reply.called.wait()
        assert [(None, True)] == reply.calls
        assert CONNECTED == journal.entries


async def test_connect_with_callback_tells_it_the_refusal(nursery: trio.Nursery) -> None:
    """A failed attempt is told to the `error` listeners first, then to the callback, and raised nowhere."""

    async def refuse(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    async with Network(refuse, nursery).websocket() as ws:
        journal = Journal(ws)
        done = trio.Event()

        def callback(err: BusinessError, value: None) -> None:
            journal.entries.append(("callback", err.code, err.data, value))
            done.set()

        ws.connect(URL, callback)
        await done.wait()

    assert [("error", 200, "403"), ("callback", 2302999, "403", None)] == journal.entries


async def test_errors_of_connect_go_to_the_callback_after_it_returned() -> None:
    """What is wrong with the arguments is told to the callback too, never before the method returned."""
    async with create_websocket() as ws:
        wrong: Any = 5
        reply = Reply()
        ws.connect("http://x", reply)
        ws.connect(wrong, reply)
        ws.connect(URL, wrong, reply)
        ws.connect(URL, {"caPath": "/does/not/exist"}, reply)

        assert [] == reply.calls
        await trio.testing.wait_all_tasks_blocked()
        assert [(2302001, None), (401, None), (401, None), (2302002, None)] == reply.calls
        assert "idle" == ws.state


async def test_two_callables_are_one_too_many() -> None:
    """A callable in the place of the options is no options object when a callback follows."""
    async with create_websocket() as ws:
        wrong: Any = ignore
        reply = Reply()
        ws.connect(URL, wrong, reply)
        ws.close(wrong, reply)
        await trio.testing.wait_all_tasks_blocked()

        assert [(401, None), (401, None)] == reply.calls


@pytest.mark.parametrize("method", ["connect", "send", "close"])
async def test_a_callback_that_cannot_be_called_is_401_at_once(method: str) -> None:
    """There is nobody to tell, so it is raised by the call itself, and it names the type."""
    async with create_websocket() as ws:
        wrong: Any = "callback"
        with pytest.raises(BusinessError) as caught:
            if method == "connect":
                ws.connect(URL, None, wrong)
            elif method == "send":
                ws.send("x", wrong)
            else:
                ws.close(None, wrong)

        assert 401 == caught.value.code
        assert "callback must be callable, not str" in caught.value.message
        assert "idle" == ws.state


async def test_the_same_object_connects_again(nursery: trio.Nursery) -> None:
    """After a close the same socket connects again, with the same listeners and fresh counters."""
    network = Network(echo, nursery)
    async with network.websocket() as ws:
        journal = Journal(ws)
        for _ in range(3):
            await ws.connect(URL)
            await ws.send("x")
            await trio.testing.wait_all_tasks_blocked()
            assert 1 == ws.statistics().messages_sent
            assert 1 == ws.statistics().messages_received
            await ws.close()

    once = [*CONNECTED, ("message", "x"), ("dataEnd",), ("close", 1000, "")]
    assert once * 3 == journal.entries
    assert 3 == len(network.peers)


async def test_a_close_listener_connects_again(nursery: trio.Nursery) -> None:
    """Inside a `close` listener the socket is closed, so connecting again works there."""
    network = Network(polite, nursery)
    async with network.websocket() as ws:
        reply = Reply()
        ws.once("close", lambda err, value: ws.connect(URL, reply))
        await ws.connect(URL)
        await ws.close()
        await reply.called.wait()

        assert [(None, True)] == reply.calls
        assert "open" == ws.state
        assert ws.close_result is None
    assert 2 == len(network.peers)


async def test_connect_again_after_a_failed_attempt(nursery: trio.Nursery) -> None:
    """An attempt that failed leaves a socket that can connect."""
    attempts = iter([b"HTTP/1.1 503 Busy\r\n\r\n", b""])

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(next(attempts) or peer.answer())
        await peer.serve_politely()

    async with Network(script, nursery).websocket() as ws:
        with pytest.raises(BusinessError):
            await ws.connect(URL)

        assert "closed" == ws.state
        with pytest.raises(BusinessError, match="attempt failed") as caught:
            await ws.receive()
        assert 2302999 == caught.value.code
        with pytest.raises(BusinessError, match="attempt failed"):
            await ws.wait_closed()
        assert await ws.connect(URL)


# Options

REQUEST_LINES = [
    b"GET /chat HTTP/1.1",
    b"Host: example.test",
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Version: 13",
    b"Origin: http://example.test",
]


async def request_of(nursery: trio.Nursery, options: object) -> list[bytes]:
    """Return the lines of the request that `options` lead to."""
    network = Network(accept_any, nursery)
    async with network.websocket() as ws:
        given: Any = options
        await ws.connect(URL, given)
    return network.peers[0].request.split(b"\r\n")


async def test_the_request_without_options(nursery: trio.Nursery) -> None:
    """The handshake has what RFC 6455 asks for, an Origin, and nothing else but the key."""
    lines = await request_of(nursery, None)
    expected = sorted(line.lower() for line in REQUEST_LINES)

    assert expected == sorted(
        line.lower() for line in lines if not line.lower().startswith(b"sec-websocket-key")
    )
    assert REQUEST_LINES[0] == lines[0]


@pytest.mark.parametrize(
    "options",
    [
        {"header": {"name1": "value1", "Many": ["a", "b"]}, "protocol": "chat, other"},
        MappingProxyType({"header": {"name1": "value1", "Many": ("a", "b")}, "protocol": "chat,other"}),
        WebSocketRequestOptions({"name1": "value1", "Many": ["a", "b"]}, protocol="chat,other"),
        {
            "header": {"name1": "value1", "Many": ["a", "b"]},
            "protocol": "chat,other",
            "caPath": "",
            "clientCert": None,
            "proxy": None,
        },
    ],
    ids=["dict", "mapping", "dataclass", "empty ones"],
)
async def test_headers_and_subprotocols_reach_the_server(options: object, nursery: trio.Nursery) -> None:
    """Both spellings of the options say the same on the wire."""
    lines = await request_of(nursery, options)

    assert b"name1: value1" in lines
    assert [b"Many: a", b"Many: b"] == [line for line in lines if line.startswith(b"Many")]
    assert [b"sec-websocket-protocol: chat, other"] == [
        line.lower() for line in lines if line.lower().startswith(b"sec-websocket-protocol")
    ]


async def test_host_and_origin_replace_ours(nursery: trio.Nursery) -> None:
    """A program's own Host and Origin stand instead of the URL's, once."""
    lines = await request_of(nursery, {"header": {"host": "other.test:81", "ORIGIN": "https://app.test"}})

    assert [b"Host: other.test:81"] == [line for line in lines if line.lower().startswith(b"host:")]
    assert [b"Origin: https://app.test"] == [line for line in lines if line.lower().startswith(b"origin:")]


@pytest.mark.parametrize(
    "spellings",
    [
        {
            "caPath": "ca",
            "clientCert": {"certPath": "cert", "keyPath": "key", "keyPassword": "secret"},
            "proxy": {"host": "p", "port": 1, "username": "u", "password": "v", "exclusionList": ["x"]},
        },
        {
            "ca_path": "ca",
            "client_cert": {"cert_path": "cert", "key_path": "key", "key_password": "secret"},
            "proxy": {"host": "p", "port": 1, "username": "u", "password": "v", "exclusion_list": ["x"]},
        },
        WebSocketRequestOptions(
            ca_path="ca",
            client_cert=ClientCert("cert", "key", "secret"),
            proxy=HttpProxy("p", 1, "u", "v", ["x"]),
        ),
    ],
    ids=["OHOS", "snake case", "dataclasses"],
)
async def test_dialling_gets_the_checked_options(
    spellings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    """Whatever the spelling, the dialler is handed the same frozen object and the parsed URL."""
    for name in ("ca", "cert", "key"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    network = Network(polite, nursery)
    dialled: list[tuple[object, WebSocketRequestOptions]] = []

    async def dial(url: Any, options: WebSocketRequestOptions) -> trio.abc.Stream:
        dialled.append((str(url), options))
        return await network.dial(url, options)

    async with WebSocket(dial=dial) as ws:
        await ws.connect("WS://Example.Test:80/chat", spellings)

        assert URL == ws.url
    [(url, options)] = dialled
    assert URL == url
    assert "ca" == options.ca_path
    assert ClientCert("cert", "key", "secret") == options.client_cert
    assert HttpProxy("p", 1, "u", "v", ("x",)) == options.proxy


# send


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("text", Frame(TEXT, b"text")),
        ("", Frame(TEXT, b"")),
        ("\N{SNOWMAN}", Frame(TEXT, b"\xe2\x98\x83")),
        (b"bytes", Frame(BINARY, b"bytes")),
        (b"", Frame(BINARY, b"")),
        (bytearray(b"array"), Frame(BINARY, b"array")),
        (bytearray(), Frame(BINARY, b"")),
        (memoryview(b"view"), Frame(BINARY, b"view")),
        (memoryview(b"every second")[::2], Frame(BINARY, b"eeyscn")),
        (memoryview(b"12345678").cast("I"), Frame(BINARY, b"12345678")),
        (memoryview(b""), Frame(BINARY, b"")),
        ("x" * 126, Frame(TEXT, b"x" * 126)),
        (b"x" * 65536, Frame(BINARY, b"x" * 65536)),
        (b"x" * 65537, Frame(BINARY, b"x" * 65537)),
        ("x" * 70000, Frame(TEXT, b"x" * 70000)),
    ],
    ids=lambda value: f"{type(value).__name__} {len(value)}" if not isinstance(value, Frame) else "",
)
@pytest.mark.parametrize("form", ["awaited", "callback", "nowait"])
async def test_what_is_sent_arrives_as_one_frame(
    form: str, data: Any, expected: Frame, nursery: trio.Nursery
) -> None:
    """Text goes as a text frame, anything else as a binary one, whole, whichever way it is sent."""
    keeper = Keeper()
    async with Network(keeper, nursery).websocket() as ws:
        await ws.connect(URL)
        if form == "awaited":
            assert await ws.send(data) is True
        elif form == "callback":
            reply = Reply()
            result: object = ws.send(data, reply)
            assert result is None
            assert [] == reply.calls
            await reply.called.wait()
            assert [(None, True)] == reply.calls
        else:
            ws.send_nowait(data)

    assert [expected, NORMAL] == keeper.frames


async def test_the_callback_form_of_send_keeps_the_order(nursery: trio.Nursery) -> None:
    """All three ways to send share one line: what was called first is sent first."""
    keeper = Keeper()
    async with Network(keeper, nursery).websocket() as ws:
        await ws.connect(URL)
        told: list[str] = []
        for n in range(0, 300, 3):
            ws.send(str(n), lambda err, value, n=n: told.append(str(n)))
            ws.send_nowait(str(n + 1))
            await ws.send(str(n + 2))
        await trio.testing.wait_all_tasks_blocked()

        assert [str(n) for n in range(0, 300, 3)] == told
    assert [str(n).encode() for n in range(300)] == [one.payload for one in keeper.frames[:-1]]


async def test_a_sent_bytearray_may_change_afterwards(nursery: trio.Nursery) -> None:
    """What is sent is what the buffer held when it was called."""
    keeper = Keeper()
    async with Network(keeper, nursery).websocket() as ws:
        await ws.connect(URL)
        data = bytearray(b"before")
        ws.send(data, ignore)
        ws.send_nowait(data)
        await ws.send(data)
        data[:] = b"after!"

    assert [Frame(BINARY, b"before")] * 3 + [NORMAL] == keeper.frames


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "data must be str or bytes, not NoneType"),
        (5, "data must be str or bytes, not int"),
        (["a"], "data must be str or bytes, not list"),
        ("\ud800", "data has lone surrogates"),
    ],
    ids=["None", "int", "list", "surrogate"],
)
@pytest.mark.parametrize("state", ["idle", "open", "closed"])
async def test_what_cannot_be_sent_is_401_first(
    state: str, data: Any, words: str, nursery: trio.Nursery
) -> None:
    """Data of a wrong kind is 401 in whatever state the socket is, and nothing is queued."""
    keeper = Keeper()
    async with Network(keeper, nursery).websocket() as ws:
        if state != "idle":
            await ws.connect(URL)
        if state == "closed":
            await ws.close()
        errors: list[BusinessError] = []
        with pytest.raises(BusinessError) as caught:
            await ws.send(data)
        errors.append(caught.value)
        with pytest.raises(BusinessError) as caught:
            ws.send_nowait(data)
        errors.append(caught.value)
        ws.send(data, lambda err, value: errors.append(err))
        await trio.testing.wait_all_tasks_blocked()

        assert [401] * 3 == [error.code for error in errors]
        assert all(words in error.message for error in errors)
        assert 0 == ws.statistics().messages_sent
    assert [NORMAL] * (state != "idle") == keeper.frames


# close

CLOSES: dict[str, tuple[Callable[[WebSocket, Reply], Any], Frame]] = {
    "callback": (lambda ws, reply: ws.close(reply), NORMAL),
    "None, callback": (lambda ws, reply: ws.close(None, reply), NORMAL),
    "mapping, callback": (
        lambda ws, reply: ws.close({"code": 4000, "reason": "done"}, reply),
        Frame(CLOSE, b"\x0f\xa0done"),
    ),
    "callback=": (lambda ws, reply: ws.close(callback=reply), NORMAL),
}
AWAITED_CLOSES: dict[str, tuple[Callable[[WebSocket], Any], Frame]] = {
    "nothing": (lambda ws: ws.close(), NORMAL),
    "None": (lambda ws: ws.close(None), NORMAL),
    "None, None": (lambda ws: ws.close(None, None), NORMAL),
    "empty mapping": (lambda ws: ws.close({}), NORMAL),
    "mapping": (lambda ws: ws.close({"code": 3000, "reason": "x"}), Frame(CLOSE, b"\x0b\xb8x")),
    "reason alone": (lambda ws: ws.close({"reason": "x"}), Frame(CLOSE, b"\x03\xe8x")),
    "options": (lambda ws: ws.close(WebSocketCloseOptions(1001, "y")), Frame(CLOSE, b"\x03\xe9y")),
    "longest reason": (
        lambda ws: ws.close({"reason": "\N{SNOWMAN}" * 41}),
        Frame(CLOSE, b"\x03\xe8" + b"\xe2\x98\x83" * 41),
    ),
}


@pytest.mark.parametrize(("close", "expected"), AWAITED_CLOSES.values(), ids=AWAITED_CLOSES.keys())
async def test_close_without_callback_returns_true(
    close: Callable[[WebSocket], Awaitable[bool]], expected: Frame, nursery: trio.Nursery
) -> None:
    """Awaited, close returns True when the connection has ended and `close` was told."""
    keeper = Keeper()
    async with Network(keeper, nursery).websocket() as ws:
        journal = Journal(ws)
        await ws.connect(URL)

        assert await close(ws) is True
        assert "closed" == ws.state
        code, reason = int.from_bytes(expected.payload[:2], "big"), expected.payload[2:].decode()
        assert [*CONNECTED, ("close", code, reason)] == journal.entries
        assert CloseResult(code, reason, clean=True, by="local") == ws.close_result
    assert [expected] == keeper.frames


@pytest.mark.parametrize(("close", "expected"), CLOSES.values(), ids=CLOSES.keys())
async def test_close_with_callback_calls_it(
    close: Callable[[WebSocket, Reply], object], expected: Frame, nursery: trio.Nursery
) -> None:
    """With a callback close returns None, is closing at once, and calls (None, True) after `close`."""
    keeper = Keeper()
    async with Network(keeper, nursery).websocket() as ws:
        reply = Reply()
        await ws.connect(URL)
        result = close(ws, reply)

        assert result is None
        assert "closing" == ws.state
        assert [] == reply.calls
        await reply.called.wait()
        assert [(None, True)] == reply.calls
        assert "closed" == ws.state
    assert [expected] == keeper.frames


async def test_a_pending_close_callback_is_called_before_the_block_ends(nursery: trio.Nursery) -> None:
    """Leaving the block joins the close that a callback waits for."""
    reply = Reply()
    async with Network(polite, nursery).websocket() as ws:
        await ws.connect(URL)
        ws.close({"code": 3001}, reply)

    assert [(None, True)] == reply.calls
    assert CloseResult(3001, "", clean=True, by="local") == ws.close_result


async def test_errors_of_close_go_to_the_callback(nursery: trio.Nursery) -> None:
    """Before connect, with bad options, and while closing already: the callback gets the error."""
    async with Network(polite, nursery).websocket() as ws:
        reply = Reply()
        ws.close(reply)
        await ws.connect(URL)
        ws.close({"code": 1005}, reply)
        ws.close(reply)
        ws.close(reply)
        await ws.wait_closed()
        await trio.testing.wait_all_tasks_blocked()

        assert [(2302999, None), (401, None), (2302999, None), (None, True)] == reply.calls


async def test_close_by_callback_survives_a_cancelled_block(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Cancelling the block is not cancelling a close that was asked for: what is queued is still sent."""
    keeper = Keeper()
    with trio.CancelScope() as scope:
        async with Network(keeper, nursery).websocket() as ws:
            await ws.connect(URL)
            ws.send_nowait("last words")
            ws.close({"code": 3000}, ignore)
            scope.cancel()
            await trio.lowlevel.checkpoint()

    assert [Frame(TEXT, b"last words"), Frame(CLOSE, b"\x0b\xb8")] == keeper.frames
    assert CloseResult(3000, "", clean=True, by="local") == ws.close_result


async def hold(peer: Peer) -> None:
    """A server that accepts, reads, and never says anything again."""
    await peer.accept()
    await peer.receive_all()


# The rest of the methods


async def test_open_websocket_connects(nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    """`open_websocket` is create and connect in one, over a real socket."""
    keeper = Keeper(then=frame(TEXT, "hello"))
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    nursery.start_soon(trio.serve_listeners, lambda stream: keeper(Peer(stream)), listeners)
    async with open_websocket(f"ws://127.0.0.1:{port}/a?b", {"header": {"n": "v"}}, send_buffer=1) as ws:
        assert "open" == ws.state
        assert f"ws://127.0.0.1:{port}/a?b" == ws.url
        assert "hello" == await ws.receive()
        await ws.send("bye")

    assert [Frame(TEXT, b"bye"), NORMAL] == keeper.frames


async def test_open_websocket_raises_what_connect_raises(autojump_clock: trio.testing.MockClock) -> None:
    """A refusal comes out of `open_websocket` bare, and the block is not entered."""
    with pytest.raises(BusinessError) as caught:
        async with open_websocket("ftp://x"):
            raise AssertionError

    assert 2302001 == caught.value.code


async def test_send_nowait_and_flush(nursery: trio.Nursery) -> None:
    """Past the buffer's limit send_nowait raises WouldBlock and queues nothing; after flush there is room."""
    keeper = Keeper()
    async with Network(keeper, nursery).websocket(send_buffer=10) as ws:
        await ws.connect(URL)
        await trio.testing.wait_all_tasks_blocked()
        ws.send_nowait("0123456789")
        with pytest.raises(trio.WouldBlock):
            ws.send_nowait("x")

        assert 1 == ws.statistics().messages_sent
        assert 16 == ws.statistics().send_queue
        await ws.flush()
        assert 0 == ws.statistics().send_queue
        ws.send_nowait("y")
    assert [b"0123456789", b"y", b"\x03\xe8"] == [one.payload for one in keeper.frames]


async def test_ping_measures_the_round_trip(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """`ping` returns the seconds until the pong of the same payload, and `latency` remembers them."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        while (one := await peer.receive()) is not None and one.opcode == PING:
            pings.append(one.payload)
            await trio.sleep(0.5)
            await peer.send(frame(PONG, b"unasked for"), frame(PONG, one.payload))
        await peer.close()

    pings: list[bytes] = []
    async with Network(script, nursery).websocket() as ws:
        await ws.connect(URL)

        assert 0.5 == pytest.approx(await ws.ping())
        assert 0.5 == pytest.approx(await ws.ping(b"payload"))
        assert 0.5 == pytest.approx(await ws.ping(b""))
        assert 0.5 == pytest.approx(await ws.ping(b"x" * 125))
        assert 0.5 == pytest.approx(ws.latency)
        assert 0.5 == pytest.approx(ws.statistics().latency)
    assert [b"payload", b"", b"x" * 125] == pings[1:]


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ("text", "payload must be bytes, not str"),
        (5, "payload must be bytes, not int"),
        (b"x" * 126, "at most 125 bytes, not 126"),
        (b"twice", "in flight already"),
    ],
    ids=["str", "int", "long", "twice"],
)
async def test_a_ping_that_cannot_be_sent_is_401(payload: Any, words: str, nursery: trio.Nursery) -> None:
    """A payload of a wrong type or length, or in flight, is refused, and nothing is sent."""
    async with Network(hold, nursery).websocket(close_timeout=0) as ws:
        await ws.connect(URL)
        with trio.move_on_after(0):
            await ws.ping(b"twice")
        ws.on("close", ignore)

        async def first() -> None:
            with pytest.raises(BusinessError):
                await ws.ping(b"twice")

        async with trio.open_nursery() as pinging:
            pinging.start_soon(first)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(BusinessError, match=words) as caught:
                await ws.ping(payload)
            await ws.close()

    assert 401 == caught.value.code


async def test_wait_closed_tells_everybody_the_same(nursery: trio.Nursery) -> None:
    """All who wait for the end get the same result; cancelling one of them changes nothing."""
    async with Network(polite, nursery).websocket() as ws:
        results: list[CloseResult] = []
        await ws.connect(URL)

        async def waiter() -> None:
            results.append(await ws.wait_closed())

        async with trio.open_nursery() as waiters:
            waiters.start_soon(waiter)
            waiters.start_soon(waiter)
            with trio.CancelScope() as scope:
                scope.cancel()
                await ws.wait_closed()
            await trio.testing.wait_all_tasks_blocked()
            assert "open" == ws.state
            await ws.close({"code": 3333, "reason": "r"})

        assert [CloseResult(3333, "r", clean=True, by="local")] * 2 == results
        assert results[0] is results[1] is ws.close_result


async def test_wait_closed_needs_a_connection() -> None:
    """Before any connect there is no end to wait for."""
    async with create_websocket() as ws:
        with pytest.raises(BusinessError, match="never connected") as caught:
            await ws.wait_closed()

    assert 2302999 == caught.value.code


# Properties


async def test_properties_through_a_connection(nursery: trio.Nursery) -> None:
    """What each property says while idle, connecting, open, closing, closed, and connecting again."""
    answered = trio.Event()
    may_answer = trio.Event()
    may_close = trio.Event()

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await may_answer.wait()
        headers = [("Sec-WebSocket-Protocol", "b"), ("Set-Cookie", "one"), ("Set-Cookie", "two")]
        await peer.send(peer.answer(headers))
        answered.set()
        await peer.receive()
        await may_close.wait()
        await peer.send(close_frame(4001))
        await peer.stream.aclose()

    async with Network(script, nursery).websocket() as ws:
        seen: list[tuple[object, ...]] = []

        def look(*arguments: object) -> None:
            seen.append((str(ws.state), ws.subprotocol, len(ws.response_headers), ws.close_result))

        look()
        ws.on("headerReceive", look)
        ws.on("close", look)
        ws.connect("ws://EXAMPLE.test:80?q=\N{SNOWMAN}", {"protocol": "a, b"}, ignore)

        assert "ws://example.test/?q=%E2%98%83" == ws.url
        await trio.testing.wait_all_tasks_blocked()
        look()
        may_answer.set()
        await trio.testing.wait_all_tasks_blocked()
        look()
        assert "b" == ws.subprotocol
        assert ["one", "two"] == ws.response_headers["SET-COOKIE"]
        assert "upgrade" in ws.response_headers
        ws.close({"code": 4001}, ignore)
        look()
        may_close.set()
        await ws.wait_closed()
        look()
        ws.connect(URL, ignore)
        look()

    closed = CloseResult(4001, "", clean=True, by="local")
    assert [
        ("idle", None, 0, None),
        ("connecting", None, 0, None),
        ("open", "b", 5, None),
        ("open", "b", 5, None),
        ("closing", "b", 5, None),
        ("closed", "b", 5, closed),
        ("closed", "b", 5, closed),
        ("connecting", None, 0, None),
    ] == seen


async def test_statistics_count(nursery: trio.Nursery) -> None:
    """Counters tell messages and bytes of this connection, and what waits."""
    async with Network(echo, nursery).websocket(receive_buffer=(10, 1000)) as ws:
        await ws.connect(URL)
        await ws.send("abc")
        ws.send_nowait(b"defg")
        ws.send("h", ignore)
        await ws.flush()
        await trio.testing.wait_all_tasks_blocked()
        statistics = ws.statistics()

        assert "open" == statistics.state
        assert 3 == statistics.messages_sent
        assert 3 == statistics.messages_received
        assert 3 * 2 + 8 == statistics.bytes_received
        assert statistics.bytes_sent > 3 * 6 + 8
        assert 0 == statistics.send_queue
        assert trio_ohws.QueueStatistics(3, 8, 10, 1000, 0) == statistics.receive_queue
        assert 0 == statistics.parked == statistics.parked_total
        assert statistics.latency is None


async def test_what_comes_with_the_answer_counts(nursery: trio.Nursery) -> None:
    """Bytes after the handshake count, also those that were read together with its end."""
    async with Network(Keeper(then=frame(TEXT, "early")), nursery).websocket() as ws:
        await ws.connect(URL)
        assert "early" == await ws.receive()

        assert 2 + 5 == ws.statistics().bytes_received


async def test_statistics_of_a_parked_reader(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """`parked` runs while the reader waits for its consumer, `parked_total` keeps the sum."""
    keeper = Keeper(then=frame(TEXT, "1") + frame(TEXT, "2") + frame(TEXT, "3"))
    async with Network(keeper, nursery).websocket(receive_buffer=(1, 1000)) as ws:
        await ws.connect(URL)
        await trio.sleep(5)

        assert (5, 5) == (ws.statistics().parked, ws.statistics().parked_total)
        assert "1" == await ws.receive()
        await trio.sleep(2)
        assert (2, 7) == (ws.statistics().parked, ws.statistics().parked_total)
        assert "2" == await ws.receive()
        assert "3" == await ws.receive()
        await trio.sleep(1)
        assert (0, 7) == (ws.statistics().parked, ws.statistics().parked_total)


def test_properties_cannot_be_set() -> None:
    """They are read-only."""
    ws = create_websocket()
    for name in ("state", "url", "subprotocol", "response_headers", "close_result", "latency"):
        with pytest.raises(AttributeError):
            setattr(ws, name, None)


async def test_the_repr_says_state_and_server(nursery: trio.Nursery) -> None:
    """The repr says where the socket stands and with whom."""
    async with Network(polite, nursery).websocket() as ws:
        assert "<trio_ohws.WebSocket idle>" == repr(ws)
        await ws.connect("wss://example.test:444/chat?token=secret")
        assert "<trio_ohws.WebSocket open wss://example.test:444>" == repr(ws)
    assert "<trio_ohws.WebSocket closed wss://example.test:444>" == repr(ws)
