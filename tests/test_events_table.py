"""The table of DESIGN section 4: for each scenario all events, the awaitable's result, and the wire.

A row's story is one list: what the listeners were told and what the awaitables did, in order. The socket
leaves its block at the end, so a connection that the row leaves open ends with Close 1000.
"""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import trio
import trio.testing

from tests.journal import CONNECTED, Journal
from tests.nursery.loopback import TcpNetwork, reset
from tests.reply import ignore
from tests.scripted_peer import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    URL,
    Frame,
    Peer,
    close_frame,
    frame,
    polite,
)
from tests.tap import Tap, TappedNetwork
from trio_ohws import BusinessError, CloseResult, ConnectionLost, WebSocket
from trio_ohws.events.model import EventName

Script = Callable[[Peer], Awaitable[object]]


class Run:
    """One row at work."""

    def __init__(self, ws: WebSocket, network: TappedNetwork, but: tuple[EventName, ...]) -> None:
        self.ws = ws
        self.network = network
        self.journal = Journal(ws, but)

    @property
    def tap(self) -> Tap:
        """The last connection's."""
        return self.network.taps[-1]

    async def note(self, what: str, awaitable: Awaitable[object]) -> None:
        """Write down what `awaitable` returns or raises."""
        try:
            result = await awaitable
        except BusinessError as error:
            self.journal.entries.append((what, type(error).__name__, error.code, error.data))
        except StopAsyncIteration:
            self.journal.entries.append((what, "end"))
        except trio.Cancelled:
            self.journal.entries.append((what, "Cancelled"))
            raise
        else:
            self.journal.entries.append((what, result))

    async def connect(self) -> None:
        """Connect, and note it."""
        await self.note("connect", self.ws.connect(URL))

    async def settle(self) -> None:
        """Let the other side do what it does."""
        await trio.testing.wait_all_tasks_blocked()


class Row(NamedTuple):
    """A scenario and all that comes of it."""

    script: Script
    act: Callable[[Run], Awaitable[None]]
    story: list[tuple[object, ...]]
    wire: list[Frame] | None  # the frames that we sent; None: not looked at
    result: CloseResult | None = None
    seconds: float = 0
    settings: Mapping[str, Any] = MappingProxyType({})
    but: tuple[EventName, ...] = ("message",)


def ours(code: int = 1000, reason: str = "") -> Frame:
    """Return the Close frame that we send."""
    return Frame(CLOSE, code.to_bytes(2, "big") + reason.encode())


def clean(code: int = 1000, reason: str = "", by: Any = "local") -> CloseResult:
    """Return the result of a closing handshake that both sides kept."""
    return CloseResult(code, reason, clean=True, by=by)


def accepts(*frames: bytes, headers: list[tuple[str, str]] | None = None) -> Script:
    """Return a server that sends these frames with its answer, and is polite."""

    async def script(peer: Peer) -> None:
        await peer.accept(headers or [], then=b"".join(frames))
        await peer.serve_politely()

    return script


def says(head: bytes) -> Script:
    """Return a server that answers the request with these bytes, and waits."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(head)
        await trio.sleep_forever()

    return script


def prefixes(head: bytes, status: str = "101 Switching Protocols") -> Script:
    """Return a server that says something before it upgrades."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(head + peer.answer(status=status))
        await peer.serve_politely()

    return script


def closes(code: int | None, reason: str = "", *, eof: bool = True) -> Script:
    """Return a server that closes once it heard something."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.receive()
        await peer.send(close_frame(code, reason))
        await peer.receive()
        if eof:
            await peer.stream.aclose()
        await trio.sleep_forever()

    return script


async def mute(peer: Peer) -> None:
    """A server that accepts, reads, and says nothing any more."""
    await peer.accept()
    await peer.receive_all()


async def deaf(peer: Peer) -> None:
    """A server that accepts and does not even read."""
    await peer.accept()
    await trio.sleep_forever()


async def ends_at_close(peer: Peer) -> None:
    """A server that answers Close with EOF."""
    await peer.accept()
    await peer.receive()
    await peer.stream.aclose()


async def ends_when_told(peer: Peer) -> None:
    """A server that ends without a Close after the first message."""
    await peer.accept()
    await peer.receive()
    await peer.stream.aclose()


async def keeps_tcp(peer: Peer) -> None:
    """A server that answers Close and keeps the connection."""
    await peer.accept()
    one = await peer.receive()
    assert one is not None
    await peer.send(frame(CLOSE, one.payload))
    await trio.sleep_forever()


async def talks_on(peer: Peer) -> None:
    """A server that goes on talking after our Close, and answers it at last."""
    await peer.accept()
    one = await peer.receive()
    assert one is not None
    await peer.send(*[frame(TEXT, "late")] * 100, frame(PING, b"?"), frame(CLOSE, one.payload))
    await peer.stream.aclose()


async def breaks_after_close(peer: Peer) -> None:
    """A server that answers our Close with garbage."""
    await peer.accept()
    await peer.receive()
    await peer.send(b"\xff" * 100)
    await trio.sleep_forever()


async def never_answers(peer: Peer) -> None:
    """A server that says nothing at all."""
    await peer.read_request()
    assert not await peer.stream.receive_some(), "more than the request"


async def hangs_up(peer: Peer) -> None:
    """A server that closes instead of answering."""
    await peer.read_request()
    await peer.stream.aclose()


# What the program does


async def connect(run: Run) -> None:
    """Connect, and leave."""
    await run.connect()


async def connect_and_wait(run: Run) -> None:
    """Connect, let everything happen, and leave."""
    await run.ws.connect(URL)
    await run.settle()


async def connect_and_cancel(run: Run) -> None:
    """Give up after a second."""
    with trio.move_on_after(1):
        await run.connect()
    run.journal.entries.append((str(run.ws.state), run.tap.closed))


async def connect_and_close(run: Run) -> None:
    """Close while connecting."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run.connect)
        await run.settle()
        closed = await run.ws.close()
        await run.settle()
        run.journal.entries.append((closed, str(run.ws.state), run.tap.closed))


async def connect_and_leave(run: Run) -> None:
    """Leave the block while connecting."""

    def told(err: BusinessError, value: None) -> None:
        run.journal.entries.append(("callback", err.code, err.data))

    run.ws.connect(URL, told)
    await run.settle()


async def speak_and_iterate(run: Run) -> None:
    """Say something, and take what comes, to the end."""
    await run.ws.connect(URL)
    await run.ws.send("x")
    await run.note("anext", anext(run.ws))


def close(*arguments: Any) -> Callable[[Run], Awaitable[None]]:
    """Close with these arguments."""

    async def act(run: Run) -> None:
        await run.ws.connect(URL)
        await run.note("close", run.ws.close(*arguments))

    return act


async def queue_and_close(run: Run) -> None:
    """Close right behind what was queued."""
    await run.ws.connect(URL)
    for n in range(100):
        run.ws.send_nowait(str(n))
    await run.note("close", run.ws.close())


async def close_twice(run: Run) -> None:
    """Close while closing, and when closed."""
    await run.ws.connect(URL)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run.note, "first", run.ws.close())
        await trio.sleep(1)
        await run.note("second", run.ws.close())
    await run.note("third", run.ws.close())
    await run.note("aclose", run.ws.aclose())


async def join_close(run: Run) -> None:
    """`aclose` while closing."""
    await run.ws.connect(URL)
    run.ws.close({"code": 4000}, ignore)
    await run.note("aclose", run.ws.aclose())


async def cancel_close(run: Run) -> None:
    """Give up closing after a second."""
    await run.ws.connect(URL)
    with trio.move_on_after(1):
        await run.note("close", run.ws.close({"code": 4000, "reason": "r"}))
    run.journal.entries.append((str(run.ws.state), run.tap.closed))


async def wait_for_the_end(run: Run) -> None:
    """Connect and see how it ends."""
    await run.ws.connect(URL)
    await run.ws.wait_closed()


async def stay(run: Run) -> None:
    """Connect and stay for 200 s."""
    await run.ws.connect(URL)
    await trio.sleep(200)


ERROR = ("error", 200, "0")
DOWN = ("close", 1006, "The link is down")
NORMAL = ("close", 1000, "")
TRUE = ("connect", True)
DOWN_RESULT = CloseResult(1006, "The link is down", clean=False, by="link")

TABLE: dict[str, Row] = {
    # connected
    "connected": Row(polite, connect, [*CONNECTED, TRUE, NORMAL], [ours()], clean()),
    "connected, in other words": Row(
        prefixes(b"", "101 Fine"),
        connect,
        [CONNECTED[0], ("open", 101, "Fine"), TRUE, NORMAL],
        [ours()],
        clean(),
    ),
    "connected, without words": Row(
        prefixes(b"", "101 "), connect, [CONNECTED[0], ("open", 101, ""), TRUE, NORMAL], [ours()], clean()
    ),
    "1xx before the 101": Row(
        prefixes(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
        connect,
        [*CONNECTED, TRUE, NORMAL],
        [ours()],
        clean(),
    ),
    # refused; tests/test_errors_table.py has every way
    "timeout": Row(
        never_answers, connect, [ERROR, ("connect", "BusinessError", 2302999, "0")], [], seconds=60
    ),
    "EOF before the answer": Row(hangs_up, connect, [ERROR, ("connect", "BusinessError", 2302999, "0")], []),
    "garbage": Row(says(b"?" * 9), connect, [ERROR, ("connect", "BusinessError", 2302999, "0")], []),
    "403": Row(
        says(b"HTTP/1.1 403 Forbidden\r\n\r\n"),
        connect,
        [("error", 200, "403"), ("connect", "UpgradeRefused", 2302999, "403")],
        [],
    ),
    "302": Row(
        says(b"HTTP/1.1 302 Found\r\nLocation: ws://other.test/\r\n\r\n"),
        connect,
        [("error", 200, "302"), ("connect", "UpgradeRefused", 2302999, "302")],
        [],
    ),
    "101 with a bad key": Row(
        says(b"HTTP/1.1 101 Fine\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
        connect,
        [("error", 200, "101"), ("connect", "UpgradeRefused", 2302999, "101")],
        [],
    ),
    "cancelled while connecting": Row(
        never_answers, connect_and_cancel, [("connect", "Cancelled"), ("closed", True)], [], seconds=1
    ),
    "closed while connecting": Row(
        never_answers,
        connect_and_close,
        [("connect", "BusinessError", 2302999, None), (True, "closed", True)],
        [],
    ),
    "left while connecting": Row(never_answers, connect_and_leave, [("callback", 2302999, None)], []),
    # messages
    "a text": Row(
        accepts(frame(TEXT, "\N{SNOWMAN}")),
        connect_and_wait,
        [*CONNECTED, ("message", "\N{SNOWMAN}"), ("dataEnd",), NORMAL],
        [ours()],
        clean(),
        but=(),
    ),
    "a binary message": Row(
        accepts(frame(BINARY, b"\0")),
        connect_and_wait,
        [*CONNECTED, ("message", b"\0"), ("dataEnd",), NORMAL],
        [ours()],
        clean(),
        but=(),
    ),
    "empty messages": Row(
        accepts(frame(TEXT), frame(BINARY)),
        connect_and_wait,
        [*CONNECTED, ("message", ""), ("dataEnd",), ("message", b""), ("dataEnd",), NORMAL],
        [ours()],
        clean(),
        but=(),
    ),
    "a fragmented message": Row(
        accepts(
            frame(TEXT, b"a\xe2", fin=False),
            frame(PING, b"!"),
            frame(CONT, b"\x98\x83", fin=False),
            frame(CONT, b""),
        ),
        connect_and_wait,
        [*CONNECTED, ("message", "a\N{SNOWMAN}"), ("dataEnd",), NORMAL],
        [Frame(PONG, b"!"), ours()],
        clean(),
        but=(),
    ),
    "a message, pulled": Row(
        accepts(frame(TEXT, "a")), connect_and_wait, [*CONNECTED, ("dataEnd",), NORMAL], [ours()], clean()
    ),
    "the 4K rule": Row(
        accepts(frame(BINARY, b"x" * 10000), frame(BINARY, b"y" * 8192), frame(TEXT, "\N{SNOWMAN}" * 1366)),
        connect_and_wait,
        [
            *CONNECTED,
            ("message", b"x" * 4096),
            ("message", b"x" * 4096),
            ("message", b"x" * 1808),
            ("dataEnd",),
            ("message", b"y" * 4096),
            ("message", b"y" * 4096),
            ("dataEnd",),
            ("message", "\N{SNOWMAN}" * 1365),
            ("message", "\N{SNOWMAN}"),
            ("dataEnd",),
            NORMAL,
        ],
        [ours()],
        clean(),
        settings={"fragment_size": 4096},
        but=(),
    ),
    "the 4K rule for short ones": Row(
        accepts(frame(TEXT, ""), frame(BINARY, b"x" * 4096), frame(TEXT, "\N{GRINNING FACE}" * 1024)),
        connect_and_wait,
        [
            *CONNECTED,
            ("message", ""),
            ("dataEnd",),
            ("message", b"x" * 4096),
            ("dataEnd",),
            ("message", "\N{GRINNING FACE}" * 1024),
            ("dataEnd",),
            NORMAL,
        ],
        [ours()],
        clean(),
        settings={"fragment_size": 4096},
        but=(),
    ),
    # the peer closes
    **{
        f"the peer closes with {code} {reason}": Row(
            closes(code, reason),
            speak_and_iterate,
            [*CONNECTED, ("close", code, reason), ("anext", *outcome)],
            [Frame(TEXT, b"x"), ours(code, reason)],
            clean(code, reason, "peer"),
        )
        for code, reason, outcome in [
            (1000, "", ("end",)),
            (1000, "bye", ("end",)),
            (1001, "going", ("end",)),
            (1002, "", ("ConnectionLost", 2302999, None)),
            (1011, "oops", ("ConnectionLost", 2302999, None)),
            (1014, "gateway", ("ConnectionLost", 2302999, None)),
            (3000, "", ("ConnectionLost", 2302999, None)),
            (4999, "x" * 123, ("ConnectionLost", 2302999, None)),
        ]
    },
    "the peer closes without a code": Row(
        closes(None),
        speak_and_iterate,
        [*CONNECTED, ("close", 1005, ""), ("anext", "end")],
        [Frame(TEXT, b"x"), Frame(CLOSE, b"")],
        clean(1005, "", "peer"),
    ),
    "the peer closes and keeps TCP": Row(
        closes(1000, eof=False),
        speak_and_iterate,
        [*CONNECTED, NORMAL, ("anext", "end")],
        [Frame(TEXT, b"x"), ours()],
        clean(by="peer"),
        seconds=3,
        settings={"close_timeout": 3},
    ),
    "the peer closes with its answer": Row(
        accepts(frame(TEXT, "a"), close_frame(1000, "b")),
        wait_for_the_end,
        [*CONNECTED, ("message", "a"), ("dataEnd",), ("close", 1000, "b")],
        [ours(1000, "b")],
        clean(1000, "b", "peer"),
        but=(),
    ),
    "messages after the peer's Close": Row(
        accepts(close_frame(1000), frame(TEXT, "late"), b"\xff\xff"),
        wait_for_the_end,
        [*CONNECTED, NORMAL],
        [ours()],
        clean(by="peer"),
        but=(),
    ),
    # we close
    "we close": Row(polite, close(), [*CONNECTED, NORMAL, ("close", True)], [ours()], clean()),
    "we close with a reason": Row(
        polite,
        close({"code": 4001, "reason": "r"}),
        [*CONNECTED, ("close", 4001, "r"), ("close", True)],
        [ours(4001, "r")],
        clean(4001, "r"),
    ),
    "we close behind what is queued": Row(
        polite,
        queue_and_close,
        [*CONNECTED, NORMAL, ("close", True)],
        [*(Frame(TEXT, str(n).encode()) for n in range(100)), ours()],
        clean(),
    ),
    "we close, the peer with another code": Row(
        accepts(),
        close({"code": 3500}),
        [*CONNECTED, ("close", 3500, ""), ("close", True)],
        [ours(3500)],
        clean(3500),
    ),
    "we close, the peer talks on": Row(
        talks_on, close(), [*CONNECTED, NORMAL, ("close", True)], [ours()], clean(), but=()
    ),
    "we close, the peer ends": Row(
        ends_at_close,
        close({"code": 4002}),
        [*CONNECTED, ("close", 4002, ""), ("close", True)],
        [ours(4002)],
        CloseResult(4002, "", clean=False, by="local"),
    ),
    "we close, the peer says nothing": Row(
        mute,
        close({"code": 4003}),
        [*CONNECTED, ("close", 4003, ""), ("close", True)],
        [ours(4003)],
        CloseResult(4003, "", clean=False, by="local"),
        seconds=10,
    ),
    "we close, the peer keeps TCP": Row(
        keeps_tcp, close(), [*CONNECTED, NORMAL, ("close", True)], [ours()], clean(), seconds=10
    ),
    "we close, the peer sends garbage": Row(
        breaks_after_close,
        close(),
        [*CONNECTED, NORMAL, ("close", True)],
        [ours()],
        CloseResult(1000, "", clean=False, by="local"),
    ),
    "we close twice": Row(
        mute,
        close_twice,
        [
            *CONNECTED,
            ("second", "BusinessError", 2302999, None),
            NORMAL,
            ("first", True),
            ("third", "BusinessError", 2302999, None),
            ("aclose", None),
        ],
        [ours()],
        CloseResult(1000, "", clean=False, by="local"),
        seconds=10,
    ),
    "aclose while closing": Row(
        mute,
        join_close,
        [*CONNECTED, ("close", 4000, ""), ("aclose", None)],
        [ours(4000)],
        CloseResult(4000, "", clean=False, by="local"),
        seconds=10,
    ),
    "close is cancelled": Row(
        mute,
        cancel_close,
        [*CONNECTED, ("close", 4000, "r"), ("close", "Cancelled"), ("closed", True)],
        [ours(4000, "r")],
        CloseResult(4000, "r", clean=False, by="local"),
        seconds=1,
    ),
    # the link breaks
    "EOF without Close": Row(
        ends_when_told,
        speak_and_iterate,
        [*CONNECTED, ERROR, DOWN, ("anext", "ConnectionLost", 2302999, None)],
        [Frame(TEXT, b"x")],
        DOWN_RESULT,
    ),
    "no pong": Row(
        mute, wait_for_the_end, [*CONNECTED, ERROR, DOWN], [Frame(PING, b"")], DOWN_RESULT, seconds=60
    ),
    "pongs": Row(polite, stay, [*CONNECTED, NORMAL], [Frame(PING, b"")] * 6 + [ours()], clean(), seconds=200),
    "no pings": Row(
        mute,
        stay,
        [*CONNECTED, NORMAL],
        [ours()],
        CloseResult(1000, "", clean=False, by="local"),
        seconds=200 + 10,
        settings={"ping_interval": None},
    ),
    "pings without a timeout": Row(
        mute,
        stay,
        [*CONNECTED, NORMAL],
        [Frame(PING, b""), ours()],
        CloseResult(1000, "", clean=False, by="local"),
        seconds=200 + 10,
        settings={"ping_timeout": None},
    ),
    # the block ends
    "the block ends": Row(polite, connect_and_wait, [*CONNECTED, NORMAL], [ours()], clean()),
    "the block ends, the peer says nothing": Row(
        mute,
        connect_and_wait,
        [*CONNECTED, NORMAL],
        [ours()],
        CloseResult(1000, "", clean=False, by="local"),
        seconds=10,
    ),
    # the peer breaks the protocol
    **{
        f"violation: {reason}": Row(
            accepts(frame(TEXT, "before"), data),
            wait_for_the_end,
            [*CONNECTED, ("message", "before"), ("dataEnd",), ERROR, ("close", code, reason)],
            [ours(code, reason)],
            CloseResult(code, reason, clean=False, by="local"),
            settings={"max_message_size": 1000},
            but=(),
        )
        for code, reason, data in [
            (1002, "reserved bits set", b"\xc1\x00"),
            (1002, "masked frame from a server", b"\x81\x80\0\0\0\0"),
            (1002, "reserved opcode 0x3", b"\x83\x00"),
            (1002, "reserved opcode 0xb", b"\x8b\x00"),
            (1002, "fragmented control frame", b"\x09\x00"),
            (1002, "control frame over 125 bytes", b"\x89\x7e\x00\x7e"),
            (1002, "length not in its shortest form", b"\x81\x7e\x00\x7d"),
            (1002, "length not in its shortest form, or over 63 bits", b"\x81\x7f" + b"\xff" * 8),
            (1002, "continuation of no message", b"\x80\x00"),
            (1002, "new message inside a fragmented one", b"\x01\x00\x81\x00"),
            (1002, "Close frame with a payload of one byte", b"\x88\x01\x03"),
            (1002, "Close frame with the code 1005", b"\x88\x02\x03\xed"),
            (1007, "Close frame with a reason that is not UTF-8", b"\x88\x03\x03\xe8\xff"),
            (1007, "text that is not UTF-8", b"\x81\x01\xff"),
            (1009, "message over 1000 bytes", frame(BINARY, b"x" * 1001)),
        ]
    },
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE.keys())
async def test_the_table(row: Row, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    """Each scenario tells these events in this order, ends so, takes so long, and sends exactly this."""
    network = TappedNetwork(row.script, nursery)
    begun = trio.current_time()
    async with network.websocket(**row.settings) as ws:
        run = Run(ws, network, row.but)
        await row.act(run)

    assert row.story == run.journal.entries
    assert row.result == ws.close_result
    assert row.seconds == pytest.approx(trio.current_time() - begun)
    assert row.wire is None or row.wire == run.tap.frames()
    assert run.tap.closed
    assert "closed" == ws.state


# What a callback raises


class Raised(NamedTuple):
    """An event whose callback raises, and what comes of it."""

    script: Script
    story: list[tuple[object, ...]]
    wire: list[Frame]
    sync_only: bool = False


GOING = ("close", 1001, "")
ONE = frame(TEXT, "1")
RAISED: dict[EventName, Raised] = {
    "headerReceive": Raised(accepts(ONE), [CONNECTED[0], GOING], [ours(1001)]),
    "open": Raised(accepts(ONE), [*CONNECTED, GOING], [ours(1001)]),
    "message": Raised(accepts(ONE, ONE), [*CONNECTED, ("message", "1"), GOING], [ours(1001)]),
    "dataEnd": Raised(accepts(ONE, ONE), [*CONNECTED, ("message", "1"), ("dataEnd",), GOING], [ours(1001)]),
    "error": Raised(
        accepts(b"\xff\xff"),
        [*CONNECTED, ERROR, ("close", 1002, "reserved bits set")],
        [ours(1002, "reserved bits set")],
    ),
    "close": Raised(accepts(close_frame(1000)), [*CONNECTED, NORMAL], [ours()]),
}


@pytest.mark.parametrize("name", RAISED.keys())
async def test_a_sync_callback_raises(
    name: EventName, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Delivery stops, the peer of an open connection gets Close 1001, and the exception comes out bare."""
    raised = RAISED[name]
    network = TappedNetwork(raised.script, nursery)
    fault = LookupError("mine")

    def fail(*arguments: object) -> None:
        raise fault

    with pytest.raises(LookupError) as caught:
        async with network.websocket() as ws:
            journal = Journal(ws)
            ws.on(name, fail)
            await ws.connect(URL)
            await trio.sleep_forever()

    assert caught.value is fault
    assert raised.story == journal.entries
    assert raised.wire == network.taps[0].frames()
    assert "closed" == ws.state


@pytest.mark.parametrize("name", RAISED.keys())
async def test_an_async_callback_raises(
    name: EventName, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The peer of an open connection gets Close 1001, and the exception comes out bare."""
    raised = RAISED[name]
    network = TappedNetwork(raised.script, nursery)
    fault = LookupError("mine")

    async def fail(*arguments: object) -> None:
        await trio.lowlevel.checkpoint()
        raise fault

    with pytest.raises(LookupError) as caught:
        async with network.websocket() as ws:
            journal = Journal(ws, but=("message", "dataEnd"))
            ws.on(name, fail)
            await ws.connect(URL)
            await trio.sleep_forever()

    assert caught.value is fault
    assert raised.story[-1] == journal.entries[-1]
    assert raised.wire == network.taps[0].frames()
    assert "closed" == ws.state


async def test_a_raising_callback_lets_connect_succeed(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """`open` was told, so connect returns True before the fault of an `open` listener ends the block."""
    returned: list[bool] = []
    with pytest.raises(LookupError):
        async with TappedNetwork(polite, nursery).websocket() as ws:
            ws.on("open", lambda err, value: [0][value.status])
            returned.append(await ws.connect(URL))
            await trio.sleep_forever()

    assert [True] == returned


async def test_a_lambda_that_returns_a_coroutine_raises(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """What every porter writes gets a TypeError with advice; the coroutine does not run."""
    network = TappedNetwork(accepts(ONE), nursery)
    with pytest.raises(TypeError, match="returned a coroutine, which nobody awaits; register an 'async def'"):
        async with network.websocket() as ws:
            ws.on("message", lambda err, value: ws.send(value))
            await ws.connect(URL)
            await trio.sleep_forever()

    assert [ours(1001)] == network.taps[0].frames()


async def test_a_fault_of_the_close_event_after_a_fault(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Two callbacks raise: both exceptions come out, as a group."""

    def fail(err: object, value: object) -> None:
        raise LookupError(str(value))

    with pytest.RaisesGroup(LookupError, LookupError):
        async with TappedNetwork(accepts(ONE), nursery).websocket() as ws:
            ws.on("message", fail)
            ws.on("close", fail)
            await ws.connect(URL)
            await trio.sleep_forever()


# The body of `async with`


@pytest.mark.parametrize(
    ("script", "seconds", "is_clean"),
    [(polite, 0, True), (mute, 0.25, False), (ends_at_close, 0, False), (keeps_tcp, 0.25, True)],
    ids=["polite", "mute", "EOF", "keeps TCP"],
)
@pytest.mark.parametrize("how", ["raises", "is cancelled"])
async def test_the_body_fails(
    how: str,
    script: Script,
    seconds: float,
    is_clean: bool,
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Close 1001 goes out, 0.25 s are for its answer, close(1001) is told, the error comes out bare."""
    network = TappedNetwork(script, nursery)
    begun = trio.current_time()
    fault: LookupError | None = LookupError("mine") if how == "raises" else None
    caught: LookupError | None = None
    with trio.CancelScope() as scope:
        try:
            async with network.websocket() as ws:
                journal = Journal(ws)
                await ws.connect(URL)
                if fault is not None:
                    raise fault
                scope.cancel()
                await trio.sleep_forever()
        except LookupError as error:
            caught = error

    assert fault is caught
    assert (how == "is cancelled") == scope.cancelled_caught
    assert [*CONNECTED, GOING] == journal.entries
    assert CloseResult(1001, "", clean=is_clean, by="local") == ws.close_result
    assert [ours(1001)] == network.taps[0].frames()
    assert network.taps[0].closed
    assert seconds == pytest.approx(trio.current_time() - begun)


@pytest.mark.parametrize("how", ["raises", "is cancelled"])
async def test_the_body_fails_and_nothing_can_be_written(
    how: str, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The goodbye takes at most `goodbye_timeout`, however stuck the peer is."""
    network = TappedNetwork(deaf, nursery)
    with trio.CancelScope() as scope:
        try:
            async with network.websocket(goodbye_timeout=3) as ws:
                journal = Journal(ws)
                await ws.connect(URL)
                network.taps[0].stuck = True
                ws.send_nowait("x")
                begun = trio.current_time()
                if how == "raises":
                    raise LookupError
                scope.cancel()
                await trio.sleep_forever()
        except LookupError:
            pass

    assert [*CONNECTED, GOING] == journal.entries
    assert CloseResult(1001, "", clean=False, by="local") == ws.close_result
    assert [] == network.taps[0].frames()
    assert network.taps[0].closed
    assert 3 == pytest.approx(trio.current_time() - begun)


async def test_the_bodys_finally_can_still_send(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """A cancelled body says its last words, under a shield of its own, before the goodbye."""
    network = TappedNetwork(polite, nursery)
    with trio.move_on_after(1):
        async with network.websocket() as ws:
            await ws.connect(URL)
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await ws.send("last")
                ws.send_nowait("words")

    assert [Frame(TEXT, b"last"), Frame(TEXT, b"words"), ours(1001)] == network.taps[0].frames()


async def test_the_body_fails_while_closing(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The close that is under way is the one that counts; it gets `goodbye_timeout` to end."""
    network = TappedNetwork(mute, nursery)
    with pytest.raises(LookupError):
        async with network.websocket() as ws:
            journal = Journal(ws)
            await ws.connect(URL)
            ws.close({"code": 4000}, ignore)
            await trio.sleep(1)
            raise LookupError

    assert [*CONNECTED, ("close", 4000, "")] == journal.entries
    assert [ours(4000)] == network.taps[0].frames()
    assert 3 == pytest.approx(trio.current_time())


async def test_the_body_fails_while_connecting(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The attempt is dropped at once, and its callback is told before the block is left."""
    network = TappedNetwork(never_answers, nursery)
    told: list[int] = []
    with pytest.raises(LookupError):
        async with network.websocket() as ws:
            journal = Journal(ws)
            ws.connect(URL, lambda err, value: told.append(err.code))
            await trio.sleep(1)
            raise LookupError

    assert [] == journal.entries
    assert network.taps[0].closed
    assert 1 == pytest.approx(trio.current_time())


# The link breaks


async def wait_for_everything(ws: WebSocket, ends: dict[str, Any]) -> None:
    """Wait by every means that there is; note what each gets."""

    async def note(name: str, awaitable: Awaitable[object]) -> None:
        try:
            ends[name] = await awaitable
        except (BusinessError, StopAsyncIteration) as error:
            ends[name] = error

    stream = ws.subscribe("close")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(note, "receive", ws.receive())
        nursery.start_soon(note, "ping", ws.ping())
        nursery.start_soon(note, "flush", ws.flush())
        nursery.start_soon(note, "wait_closed", ws.wait_closed())
        nursery.start_soon(note, "stream", stream.receive())


@pytest.mark.parametrize("how", ["EOF", "reset", "no pong"])
async def test_every_waiter_wakes_when_the_link_breaks(
    how: str, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Receive, ping, flush and wait_closed wake at once, with the same result and the same cause."""
    network = TappedNetwork(deaf, nursery)
    ends: dict[str, Any] = {}
    async with network.websocket() as ws:
        journal = Journal(ws, but=("message",))
        await ws.connect(URL)
        network.taps[0].stuck = True
        ws.send_nowait("stuck")
        nursery.start_soon(wait_for_everything, ws, ends)
        await trio.testing.wait_all_tasks_blocked()
        assert {} == ends
        if how == "EOF":
            await network.peers[0].stream.aclose()
        elif how == "reset":
            network.taps[0].reset()
        result = await ws.wait_closed()
        await trio.testing.wait_all_tasks_blocked()

    assert [*CONNECTED, ERROR, DOWN] == journal.entries
    assert DOWN_RESULT == result
    assert result is ends["wait_closed"] is ends["stream"] is ws.close_result
    for name in ("receive", "ping", "flush"):
        assert isinstance(ends[name], ConnectionLost)
        assert "the link is down" in ends[name].message
        assert ends[name].__cause__ is result.cause
    assert {"EOF": type(None), "reset": trio.BrokenResourceError, "no pong": TimeoutError}[how] is type(
        result.cause
    )
    assert (60 if how == "no pong" else 0) == pytest.approx(trio.current_time())


async def test_a_reset_of_a_real_socket(nursery: trio.Nursery) -> None:
    """ECONNRESET is the end of the link, and never comes out as an OSError."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.receive()
        assert isinstance(peer.stream, trio.SocketStream)
        reset(peer.stream)

    async with TcpNetwork(script, nursery).websocket() as ws:
        journal = Journal(ws, but=("message",))
        await ws.connect(URL)
        await ws.send("x")
        with pytest.raises(ConnectionLost, match="the link is down") as caught:
            await ws.receive()

    assert isinstance(caught.value.__cause__, ConnectionResetError)
    assert [*CONNECTED, ERROR, DOWN] == journal.entries


@pytest.mark.parametrize("how", ["EOF", "reset"])
async def test_the_link_breaks_while_we_close(
    how: str, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """After our Close an EOF or a reset is an end like any other: close returns True, no `error` is told."""
    network = TappedNetwork(deaf, nursery)
    async with network.websocket() as ws:
        journal = Journal(ws)
        run = Run(ws, network, ("message", "open", "headerReceive", "error", "close"))
        await ws.connect(URL)
        nursery.start_soon(run.note, "close", ws.close({"code": 4000}))
        await trio.testing.wait_all_tasks_blocked()
        if how == "EOF":
            await network.peers[0].stream.aclose()
        else:
            network.taps[0].reset()
        await trio.testing.wait_all_tasks_blocked()

        assert [("close", True)] == run.journal.entries
    assert [*CONNECTED, ("close", 4000, "")] == journal.entries
    assert CloseResult(4000, "", clean=False, by="local") == ws.close_result


# A write fails


async def test_a_write_fails_and_the_peers_close_is_still_there(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """A write that fails tells nothing yet: the reader goes on, and finds why."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await trio.sleep(1.5)
        await peer.send(close_frame(1013, "later"))
        await peer.stream.aclose()

    network = TappedNetwork(script, nursery)
    async with network.websocket() as ws:
        journal = Journal(ws)
        await ws.connect(URL)
        network.taps[0].write_error = trio.BrokenResourceError("EPIPE")
        await trio.sleep(1)
        ws.send_nowait("lost")
        await trio.testing.wait_all_tasks_blocked()

        assert CONNECTED == journal.entries
        for _ in range(2):
            with pytest.raises(ConnectionLost, match="the link broke while writing") as caught:
                await ws.send("x")
            assert caught.value.__cause__ is network.taps[0].write_error
        with pytest.raises(ConnectionLost):
            ws.send_nowait("x")
        await ws.wait_closed()
    assert [*CONNECTED, ("close", 1013, "later")] == journal.entries
    assert CloseResult(1013, "later", clean=False, by="peer") == ws.close_result
    assert 1.5 == pytest.approx(trio.current_time())


async def test_a_write_fails_and_nothing_more_comes(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """One second after a write failed the link counts as broken, with the write's error as the cause."""
    network = TappedNetwork(deaf, nursery)
    async with network.websocket() as ws:
        journal = Journal(ws)
        await ws.connect(URL)
        network.taps[0].write_error = trio.BrokenResourceError("EPIPE")
        ws.send_nowait("lost")
        result = await ws.wait_closed()

    assert [*CONNECTED, ERROR, DOWN] == journal.entries
    assert DOWN_RESULT == result
    assert result.cause is network.taps[0].write_error
    assert 1 == pytest.approx(trio.current_time())


async def test_a_write_fails_while_we_close(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Our Close that cannot be written ends the connection within a second, as our close."""
    network = TappedNetwork(deaf, nursery)
    async with network.websocket() as ws:
        journal = Journal(ws)
        await ws.connect(URL)
        network.taps[0].write_error = trio.BrokenResourceError("EPIPE")
        assert await ws.close({"code": 4000})

    assert [*CONNECTED, ("close", 4000, "")] == journal.entries
    assert CloseResult(4000, "", clean=False, by="local") == ws.close_result
    assert 1 == pytest.approx(trio.current_time())


async def test_our_close_cannot_be_written_in_time(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """A peer that does not read gets `close_timeout` for our Close, and no more."""
    network = TappedNetwork(deaf, nursery)
    async with network.websocket(close_timeout=4) as ws:
        journal = Journal(ws)
        await ws.connect(URL)
        network.taps[0].stuck = True
        ws.send_nowait("x")
        assert await ws.close()

    assert [*CONNECTED, NORMAL] == journal.entries
    assert CloseResult(1000, "", clean=False, by="local") == ws.close_result
    assert 4 == pytest.approx(trio.current_time())


# Keepalive, as the events see it


async def test_any_byte_is_a_sign_of_life(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """A peer that talks but answers no ping is alive; one that stops is dead a minute later."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        for _ in range(10):
            await trio.sleep(45)
            await peer.send(frame(TEXT, "."))
        await trio.sleep_forever()

    network = TappedNetwork(script, nursery)
    async with network.websocket() as ws:
        journal = Journal(ws, but=("message", "dataEnd"))
        ws.on("message", ignore)
        await ws.connect(URL)
        await ws.wait_closed()

    assert [*CONNECTED, ERROR, DOWN] == journal.entries
    assert 450 + 60 == pytest.approx(trio.current_time())
    assert {Frame(PING, b"")} == set(network.taps[0].frames())


async def test_events_after_a_reconnect_are_told_to_the_same_listeners(nursery: trio.Nursery) -> None:
    """After `open` exactly one `close` always comes, connection after connection, whoever ended them."""
    scripts = iter([closes(1000), polite, ends_when_told, hangs_up, accepts(b"\xff\xff"), polite])

    async def script(peer: Peer) -> None:
        await next(scripts)(peer)

    async with TappedNetwork(script, nursery).websocket() as ws:
        journal = Journal(ws)
        for _ in range(6):
            try:
                await ws.connect(URL)
                await ws.send("x")
                await trio.testing.wait_all_tasks_blocked()
            except BusinessError:
                pass
            await ws.aclose()

    names = journal.names()
    assert 5 == names.count("open") == names.count("close") == names.count("headerReceive")
    assert 3 == names.count("error")
    ends = [name for name in names if name in ("open", "close")]
    assert ["open", "close"] * 5 == ends
