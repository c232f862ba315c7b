"""How messages are delivered: the ten rules of the design, each on a whole socket over a memory stream."""

import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings, strategies as st
from trio.testing import MockClock

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
    frame,
)
from tests.turns import Turns, counted_turns
from trio_ohws import (
    AlreadyClosed,
    BusinessError,
    CloseResult,
    ConnectionLost,
    EndOfMessages,
    OpenResult,
    ResponseHeaders,
    WebSocket,
    WebSocketOpenInfo,
)
from trio_ohws.events.emitter import ASYNC_ITEMS
from trio_ohws.events.model import EVENT_NAMES, EventName, Message
from trio_ohws.events.queue import TURN, Overflow
from trio_ohws.events.stream import EventStream

NORMAL = Frame(CLOSE, b"\x03\xe8")
GOING_AWAY = Frame(CLOSE, b"\x03\xe9")
TOO_SLOW = Frame(CLOSE, b"\x03\xf0a subscriber is too slow")

every_event = pytest.mark.parametrize("name", EVENT_NAMES)


def frames(*messages: Message) -> bytes:
    """Return a server's frames for messages."""
    return b"".join(frame(TEXT if isinstance(one, str) else BINARY, one) for one in messages)


def numbers(start: int, stop: int) -> list[Message]:
    """Return numbered messages."""
    return [str(number) for number in range(start, stop)]


class Server:
    """Sends what the test says, when it says so; is polite otherwise, and keeps what it got.

    Args:
        nursery: where it runs.
        then: bytes that go out together with the answer.
    """

    def __init__(self, nursery: trio.Nursery, then: bytes = b"") -> None:
        self.then = then
        self.mute = False  # pings are not answered
        self.closing = False  # it closes first
        self.frames: list[Frame] = []
        self.network = Network(self._serve, nursery)

    async def _serve(self, peer: Peer) -> None:
        await peer.accept(then=self.then)
        try:
            while (one := await peer.receive()) is not None:
                self.frames.append(one)
                if one.opcode == PING and not self.mute:
                    await peer.send(frame(PONG, one.payload))
                if one.opcode == CLOSE:
                    if not self.closing:
                        await peer.send(frame(CLOSE, one.payload))
                    break
        except trio.ClosedResourceError:
            pass  # see `vanish`
        await peer.stream.aclose()

    async def send(self, *messages: Message) -> None:
        """Send messages in one packet, and come back when everybody is done with them or waits."""
        await self.raw(frames(*messages))

    async def raw(self, data: bytes) -> None:
        """Send bytes, and come back when everybody is done with them or waits."""
        await self.network.peers[-1].send(data)
        await trio.testing.wait_all_tasks_blocked()

    async def close(self, code: int | None = 1000, reason: str = "") -> None:
        """Close first."""
        self.closing = True
        await self.raw(close_frame(code, reason))

    async def cut(self) -> None:
        """End what the client reads, without a Close."""
        stream = self.network.peers[-1].stream
        assert isinstance(stream, trio.StapledStream)
        await stream.send_eof()
        await trio.testing.wait_all_tasks_blocked()

    async def vanish(self) -> None:
        """End the stream in both directions: what the client writes is refused."""
        await self.network.peers[-1].stream.aclose()

    @asynccontextmanager
    async def socket(
        self, prepare: Callable[[WebSocket], object] | None = None, **settings: Any
    ) -> AsyncIterator[WebSocket]:
        """Enter and connect a socket, which `prepare` gets before."""
        ws = self.network.websocket(**settings)
        if prepare is not None:
            prepare(ws)
        async with ws:
            await ws.connect(URL)
            yield ws


@pytest.fixture
def server(nursery: trio.Nursery) -> Server:
    """A server that lives as long as the test."""
    return Server(nursery)


class Told(list[Any]):
    """What callbacks were told."""

    def message(self, err: None, value: Message) -> None:
        """Listen to messages."""
        self.append(value)

    async def slowly(self, err: None, value: Message) -> None:
        """Listen to messages, taking a second for each."""
        await trio.sleep(1)
        self.append(value)

    def named(self, name: str) -> Callable[..., None]:
        """Return a callback that notes `name`, for any event."""
        return lambda *arguments: self.append(name)

    def close(self, err: None, value: CloseResult) -> None:
        """Listen to the end."""
        self.append((value.code, value.reason))


async def ignore(*arguments: object) -> None:
    """Listen to anything, and do nothing."""


def waiting(ws: WebSocket) -> int:
    """Return how many messages wait in the socket's own queue."""
    queue = ws.statistics().receive_queue
    assert queue is not None
    return queue.items


async def parked(ws: WebSocket) -> bool:
    """Tell whether the reader waits for a consumer; takes a second, so that it shows."""
    await trio.sleep(1)
    return ws.statistics().parked > 0


def as_async(callback: Callable[..., object]) -> Callable[..., Awaitable[None]]:
    """Return the async kind of a callback."""

    async def awaited(*arguments: object) -> None:
        await trio.lowlevel.checkpoint()
        callback(*arguments)

    return awaited


Kind = Callable[[Callable[..., object]], Callable[..., object]]

sync_or_async = pytest.mark.parametrize("kind", [lambda callback: callback, as_async], ids=["sync", "async"])


@pytest.fixture
def turns(server: Server) -> Iterator[Turns]:
    """A count that begins with the test."""
    with counted_turns() as turns:
        yield turns


# Rule 1: callbacks in order, then streams, then the inbox


async def test_rule_1_callbacks_come_before_streams(server: Server, autojump_clock: MockClock) -> None:
    """Callbacks have a message in their order, before any stream, and dataEnd after all of them."""
    told = Told()

    def prepare(ws: WebSocket) -> None:
        streams = [ws.subscribe("message") for _ in range(2)]
        ws.on("message", told.named("first"))
        ws.on("message", lambda err, value: told.append([len(stream) for stream in streams]))
        ws.on("message", told.named("last"))
        ws.on("dataEnd", lambda: told.append([len(stream) for stream in streams]))

    async with server.socket(prepare):
        await server.send("a", "b")

    assert ["first", [0, 0], "last", [1, 1], "first", [1, 1], "last", [2, 2]] == told


async def test_rule_1_the_inbox_has_messages_in_pull_mode_only(
    server: Server, autojump_clock: MockClock
) -> None:
    """Without a callback a message is in every stream and in the inbox; with one it is not in the inbox."""
    told = Told()

    async with server.socket() as ws:
        stream = ws.subscribe("message")
        ws.on("dataEnd", lambda: told.append((len(stream), waiting(ws))))
        await server.send("a")
        assert "a" == await ws.receive()
        ws.on("message", told.message)
        await server.send("b")

    assert [(1, 1), "b", (2, 0)] == told


async def one_of_each(server: Server, ws: WebSocket) -> None:
    """Let each event happen once."""
    await ws.connect(URL)
    await server.send("message")
    await server.cut()
    await ws.wait_closed()


@every_event
async def test_rule_1_callbacks_are_called_in_order_of_registration(
    server: Server, autojump_clock: MockClock, name: EventName
) -> None:
    """One that is registered twice is called twice, `off` takes one of them off, `once` is called once."""
    told = Told()
    twice = told.named("twice")

    async with server.network.websocket() as ws:
        for callback in (twice, told.named("other"), twice):
            ws.on(name, callback)
        ws.once(name, told.named("once"))
        await one_of_each(server, ws)
        assert ["twice", "other", "twice", "once"] == told
        told.clear()
        ws.off(name, twice)
        await one_of_each(server, ws)
        assert ["other", "twice"] == told
        told.clear()
        ws.off(name)
        await one_of_each(server, ws)

    assert [] == told


@pytest.mark.parametrize("size", [pytest.param(1, id="small"), pytest.param(65536, id="large")])
@pytest.mark.parametrize("change", ["off", "replace", "add", "close"])
async def test_rule_1_changes_within_a_packet(
    server: Server, autojump_clock: MockClock, change: str, size: int
) -> None:
    """What the only callback changes at one message holds from the next one on, though both came at once."""
    told, others = Told(), Told()
    a, b, c, d = (letter * size for letter in "abcd")

    async with server.socket() as ws:

        def listen(err: None, value: Message) -> None:
            told.append(value)
            if value == b:
                if change in ("off", "replace"):
                    ws.off("message", listen)
                if change in ("replace", "add"):
                    ws.on("message", others.message)
                if change == "close":
                    ws.close(lambda err, value: None)

        ws.on("message", listen)
        await server.send(a, b, c, d)

        assert ([a, b, c, d] if change == "add" else [a, b]) == told
        assert ([c, d] if change in ("replace", "add") else []) == others
        assert (2 if change == "off" else 0) == waiting(ws)


@every_event
async def test_rule_1_changes_during_a_dispatch(
    server: Server, autojump_clock: MockClock, name: EventName
) -> None:
    """A callback that comes then hears the next event; one that is taken off does not hear this one."""
    told = Told()
    late, last = told.named("late"), told.named("last")

    async with server.network.websocket() as ws:

        def change(*arguments: object) -> None:
            told.append("change")
            ws.off(name, change)
            ws.on(name, late)
            ws.off(name, last)

        ws.on(name, change)
        ws.on(name, last)
        await one_of_each(server, ws)
        assert ["change"] == told
        await one_of_each(server, ws)

    assert ["change", "late"] == told


async def test_rule_1_streams_are_independent(server: Server, autojump_clock: MockClock) -> None:
    """Each stream has every message since it was subscribed, whatever becomes of the others."""
    async with server.socket() as ws:
        left = ws.subscribe("message")
        early = ws.subscribe("message")
        await server.send("a")
        await left.aclose()
        late = ws.subscribe("message", max_items=1, overflow="drop_newest")
        await server.send("b", "c")
        await ws.close()

        assert ["a", "b", "c"] == [message async for message in early]
        assert ["b"] == [message async for message in late]


# Rule 2: pull or push


async def test_rule_2_nothing_that_came_since_connect_is_lost(
    server: Server, autojump_clock: MockClock
) -> None:
    """What came with the answer, and before anybody asked, is received, in order, in any of three ways."""
    server.then = frames("a", b"b")

    async with server.socket() as ws:
        await server.send("c", "d", "e")

        assert "a" == await ws.receive()
        assert b"b" == await anext(aiter(ws))
        assert ["c", "d", "e"] == await anext(aiter(ws.batches()))


@sync_or_async
async def test_rule_2_the_backlog_is_pushed_first(
    server: Server, autojump_clock: MockClock, kind: Kind
) -> None:
    """A callback gets what waits, in order, then what comes; nothing while `on` runs."""
    told = Told()

    async with server.socket() as ws:
        await server.send("a", "b", "c")
        ws.on("message", kind(told.message))
        assert [] == told
        await server.send("d", "e")
        assert ["a", "b", "c", "d", "e"] == told
        assert 0 == waiting(ws)


@sync_or_async
async def test_rule_2_all_who_are_there_get_the_backlog(
    server: Server, autojump_clock: MockClock, kind: Kind
) -> None:
    """Two callbacks registered in one step both get everything."""
    told, also_told = Told(), Told()

    async with server.socket() as ws:
        await server.send("a", "b")
        ws.on("message", kind(told.message))
        ws.on("message", kind(also_told.message))
        await server.send("c")

    assert ["a", "b", "c"] == told == also_told


@sync_or_async
async def test_rule_2_once_takes_one_and_the_rest_stays(
    server: Server, autojump_clock: MockClock, kind: Kind
) -> None:
    """Each `once` takes the oldest message, from the backlog or from the wire; then one may pull again."""
    told = Told()

    async with server.socket() as ws:
        await server.send("a", "b", "c")
        ws.once("message", kind(told.message))
        await trio.testing.wait_all_tasks_blocked()
        assert ["a"] == told
        assert "b" == await ws.receive()
        ws.once("message", kind(told.message))
        ws.once("message", kind(told.message))
        await server.send("d", "e")
        assert ["a", "c", "c"] == told
        assert ["d", "e"] == await anext(aiter(ws.batches()))


async def test_rule_2_the_backlog_is_pushed_as_long_as_a_listener_remains(
    server: Server, autojump_clock: MockClock
) -> None:
    """A callback that takes itself off in the middle of the backlog leaves the rest to receive."""
    told = Told()

    async with server.socket() as ws:

        def two(err: None, value: Message) -> None:
            told.append(value)
            if len(told) == 2:
                ws.off("message", two)

        await server.send("a", "b", "c")
        ws.on("message", two)
        await server.send("d")

        assert ["a", "b"] == told
        assert ["c", "d"] == [await ws.receive(), await ws.receive()]


async def test_rule_2_streams_and_data_end_have_had_the_backlog(
    server: Server, autojump_clock: MockClock
) -> None:
    """What goes from the inbox to a callback is told to nobody else again."""
    told = Told()

    async with server.socket() as ws:
        stream = ws.subscribe("message")
        ws.on("dataEnd", told.named("end"))
        await server.send("a", "b")
        ws.on("message", told.message)
        await trio.testing.wait_all_tasks_blocked()

        assert ["end", "end", "a", "b"] == told
        assert 2 == len(stream)


async def test_rule_2_in_push_mode_one_cannot_pull(server: Server, autojump_clock: MockClock) -> None:
    """All three ways raise RuntimeError, which says what to do; that changes nothing."""
    told = Told()

    async with server.socket() as ws:
        ws.on("message", told.message)
        for pull in (ws.receive, ws.__anext__, ws.batches().__anext__):
            with pytest.raises(RuntimeError, match=r"take it off, or use subscribe\('message'\)"):
                await pull()
        await server.send("a")

    assert ["a"] == told


@sync_or_async
async def test_rule_2_taking_the_last_callback_off_switches_back(
    server: Server, autojump_clock: MockClock, kind: Kind
) -> None:
    """With one of two gone it is still push mode; without any, what comes is received."""
    told = Told()
    first, second = kind(told.named("first")), kind(told.named("second"))

    async with server.socket() as ws:
        ws.on("message", first)
        ws.on("message", second)
        await server.send("a")
        ws.off("message", first)
        await server.send("b")
        ws.off("message", second)
        await server.send("c")

        assert ["first", "second", "second"] == sorted(told)
        assert "c" == await ws.receive()


@pytest.mark.parametrize("extra", [False, True], ids=["alone", "beside dataEnd"])
@sync_or_async
async def test_rule_2_a_parked_reader_pushes_all_in_order(
    server: Server, autojump_clock: MockClock, kind: Kind, extra: bool
) -> None:
    """A callback that comes when the inbox is full gets the backlog, the message in hand and the rest."""
    told = Told()

    async with server.socket(receive_buffer=(4, 1000)) as ws:
        if extra:
            ws.on("dataEnd", lambda: None)
        await server.send(*numbers(0, 20))
        assert 4 == waiting(ws)
        ws.on("message", kind(told.message))
        await server.send(*numbers(20, 40))

        assert numbers(0, 40) == told


@pytest.mark.parametrize("extra", [False, True], ids=["alone", "beside dataEnd"])
async def test_rule_2_newer_messages_wait_for_a_slow_backlog(
    server: Server, autojump_clock: MockClock, extra: bool
) -> None:
    """However long an async callback takes for it, and whoever warns meanwhile, all is told in order."""
    told = Told()
    backlog = ASYNC_ITEMS + 100

    async with server.socket(receive_buffer=(backlog, 1 << 20)) as ws:
        if extra:
            ws.on("dataEnd", lambda: None)
        await server.send(*numbers(0, backlog + 50))
        ws.on("message", told.slowly)
        await server.send(*numbers(backlog + 50, backlog + 60))
        await trio.sleep(2 * backlog)

        assert numbers(0, backlog + 60) == told


async def test_rule_2_our_close_loses_nothing_of_the_backlog(
    server: Server, autojump_clock: MockClock
) -> None:
    """What waited when we closed is told to the end, however long a callback takes for it."""
    told = Told()
    backlog = 2 * ASYNC_ITEMS

    async with server.socket(receive_buffer=(backlog, 1 << 20)) as ws:
        await server.send(*numbers(0, backlog))
        ws.on("message", told.slowly)
        await trio.testing.wait_all_tasks_blocked()
        await ws.close()
        assert 1 > len(told)

    assert numbers(0, backlog) == told


async def test_rule_2_a_callback_may_come_after_the_end(server: Server, autojump_clock: MockClock) -> None:
    """What nobody received before the connection ended is pushed then."""
    told = Told()

    async with server.socket() as ws:
        await server.send("a", "b")
        await ws.close()
        ws.on("message", told.message)
        await trio.testing.wait_all_tasks_blocked()

        assert ["a", "b"] == told


async def test_rule_2_a_callback_may_come_in_an_open_listener(
    server: Server, autojump_clock: MockClock
) -> None:
    """It gets everything, what came with the answer too."""
    told = Told()
    server.then = frames("a")

    def prepare(ws: WebSocket) -> None:
        ws.on("open", lambda err, value: ws.on("message", told.message))

    async with server.socket(prepare):
        await server.send("b")

    assert ["a", "b"] == told


async def test_rule_2_a_callback_sends_those_home_who_wait(
    server: Server, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Whoever waits in receive when the mode changes gets RuntimeError, as one that comes later would."""
    told = Told()

    async def consumer() -> None:
        try:
            await ws.receive()
        except (RuntimeError, EndOfMessages) as caught:
            told.append(type(caught))

    async with server.socket() as ws:
        nursery.start_soon(consumer)
        await trio.testing.wait_all_tasks_blocked()
        ws.on("message", told.message)
        await server.send("a")

    assert [RuntimeError, "a"] == told


# Rule 3: sync callbacks


@every_event
async def test_rule_3_a_coroutine_is_a_type_error(
    server: Server, autojump_clock: MockClock, name: EventName
) -> None:
    """A sync callback that returns one gets TypeError with advice; the coroutine never warns."""
    with pytest.raises(TypeError, match="returned a coroutine, which nobody awaits; register an 'async def'"):
        async with server.network.websocket() as ws:
            ws.on(name, lambda *arguments: ignore(*arguments))
            await one_of_each(server, ws)
            await trio.sleep_forever()
    gc.collect()


async def test_rule_3_what_every_porter_writes(server: Server, autojump_clock: MockClock) -> None:
    """``lambda err, value: ws.send(value)`` says so, and the peer gets Close 1001 and no message."""
    with pytest.raises(TypeError, match=r"the form that takes a callback or send_nowait\(\)"):
        async with server.socket() as ws:
            ws.on("message", lambda err, value: ws.send(value))
            await server.send("a")
            await trio.sleep_forever()

    assert [GOING_AWAY] == server.frames


async def test_rule_3_sync_callbacks_run_in_the_reader(
    server: Server, autojump_clock: MockClock, turns: Turns
) -> None:
    """All callbacks of all messages of a packet run in one step of one task."""
    steps = Told()

    def note(err: None, value: Message) -> None:
        task = trio.lowlevel.current_task()
        steps.append((task, turns.of[task]))

    async with server.socket() as ws:
        ws.on("message", note)
        ws.on("message", note)
        await server.send("a", "b", "c")

    assert 6 == len(steps)
    assert 1 == len(set(steps))


async def test_rule_3_each_large_message_is_counted_when_it_is_told(
    server: Server, autojump_clock: MockClock
) -> None:
    """So the statistics are right inside its callback, the one in which it raises included."""
    counts: list[int] = []

    with pytest.raises(Oops):
        async with server.socket() as ws:

            def count(err: None, value: Message) -> None:
                counts.append(ws.statistics().messages_received)
                if value[0] == "c":
                    raise Oops

            ws.on("message", count)
            await server.send("a" * 65536, "b" * 65536, "c" * 65536)
            await trio.sleep_forever()

    assert [1, 2, 3] == counts
    assert 3 == ws.statistics().messages_received


# Rule 4: async callbacks


async def test_rule_4_one_task_per_subscription_in_order(server: Server, autojump_clock: MockClock) -> None:
    """Calls of one subscription never overlap; those of two do."""
    told = Told()

    def listener(name: str) -> Callable[..., Awaitable[None]]:
        async def listen(err: None, value: Message) -> None:
            told.append(f"{name} {value!s} begins")
            await trio.sleep(1)
            told.append(f"{name} {value!s} ends")

        return listen

    async with server.socket() as ws:
        began = trio.current_time()
        ws.on("message", listener("x"))
        ws.on("message", listener("y"))
        await server.send("a", "b")
    took = trio.current_time() - began

    for name in "xy":
        expected = [f"{name} a begins", f"{name} a ends", f"{name} b begins", f"{name} b ends"]
        assert expected == [one for one in told if one.startswith(name)]
    assert 2 == took


async def test_rule_4_back_pressure(server: Server, autojump_clock: MockClock) -> None:
    """A callback that is behind by its queue parks the reader; others have all up to that, and no more."""
    told, gate = Told(), trio.Event()

    async def wait(err: None, value: Message) -> None:
        await gate.wait()
        told.append(value)

    async with server.socket() as ws:
        others = Told()
        ws.on("message", wait)
        ws.on("message", others.message)
        await server.send(*numbers(0, 2 * ASYNC_ITEMS))
        assert numbers(0, ASYNC_ITEMS + 1) == others
        assert await parked(ws)
        gate.set()
        await trio.testing.wait_all_tasks_blocked()

        assert numbers(0, 2 * ASYNC_ITEMS) == told == others


async def test_rule_4_awaiting_send_and_flush(server: Server, autojump_clock: MockClock) -> None:
    """An async echo answers everything, though its queue is full and the reader parked."""
    count = 2 * ASYNC_ITEMS

    async with server.socket(send_buffer=1) as ws:

        async def answer(err: None, value: Message) -> None:
            await ws.send(value)
            await ws.flush()

        ws.on("message", answer)
        await server.send(*numbers(0, count))

    assert [Frame(TEXT, str(number).encode()) for number in range(count)] == server.frames[:-1]
    assert NORMAL == server.frames[-1]


@pytest.mark.parametrize("count", [1, 2 * ASYNC_ITEMS], ids=["idle", "parked"])
@pytest.mark.parametrize("way", ["close", "aclose", "callback"])
async def test_rule_4_awaiting_close(server: Server, autojump_clock: MockClock, way: str, count: int) -> None:
    """Closing from within a callback ends the connection cleanly and at once, a parked reader too."""
    told = Told()

    async with server.socket() as ws:

        async def close(err: None, value: Message) -> None:
            await trio.sleep(1)  # the reader has time to park
            if ws.state == "open":
                if way == "callback":
                    ws.close(lambda err, value: told.append(value))
                    await ws.wait_closed()
                else:
                    await (ws.close() if way == "close" else ws.aclose())
                    told.append(True)

        ws.on("message", close)
        await server.send(*numbers(0, count))
        await ws.wait_closed()

        assert 1 == trio.current_time()
        assert CloseResult(1000, "", clean=True, by="local") == ws.close_result
    assert [True] == told
    assert [NORMAL] == server.frames


async def test_rule_4_awaiting_receive(server: Server, autojump_clock: MockClock) -> None:
    """A listener of another event may pull; a message callback may, once it has taken itself off."""
    told = Told()
    server.then = frames("a", "b", "c")

    async with server.network.websocket() as ws:

        async def opened(err: None, value: OpenResult) -> None:
            told.append(await ws.receive())
            ws.on("message", first)

        async def first(err: None, value: Message) -> None:
            told.append(value)
            ws.off("message")
            told.append(await ws.receive())

        ws.on("open", opened)
        await ws.connect(URL)
        await trio.testing.wait_all_tasks_blocked()
        await server.send("d")

    # first's queue had all that there was when it began, and forgot it with `off`
    assert ["a", "b", "d"] == told


async def test_rule_4_a_plain_exit_lets_them_finish(server: Server, autojump_clock: MockClock) -> None:
    """What is queued is worked off before the block ends, the `close` listener's event too."""
    told = Told()

    async def closed(err: None, value: CloseResult) -> None:
        await trio.sleep(100)
        told.append(value.code)

    async with server.socket() as ws:
        ws.on("message", told.slowly)
        ws.on("close", closed)
        await server.send("a", "b", "c")
        assert [] == told

    assert ["a", "b", "c", 1000] == told
    assert 3 + 100 == trio.current_time()


async def test_rule_4_an_echo_answers_all_it_got_before_a_plain_exit_closes(
    server: Server, autojump_clock: MockClock
) -> None:
    """The Close frame comes after what async `message` callbacks had to say to the messages they have."""
    async with server.socket() as ws:

        async def echo(err: None, value: Message) -> None:
            await trio.sleep(1)
            await ws.send(value)

        ws.on("message", echo)
        await server.send("a", "b", "c")

    sent = [(one.opcode, one.payload) for one in server.frames]
    assert [(TEXT, b"a"), (TEXT, b"b"), (TEXT, b"c"), (CLOSE, b"\x03\xe8")] == sent


async def test_rule_4_a_plain_exit_closes_in_the_end_though_a_callback_waits_for_that(
    server: Server, autojump_clock: MockClock
) -> None:
    """A `message` callback that goes on for ever holds the Close up for no longer than close_timeout."""
    told = Told()

    async def wait_for_the_end(err: None, value: Message) -> None:
        told.append((await ws.wait_closed()).code)

    async with server.socket(close_timeout=5) as ws:
        ws.on("message", wait_for_the_end)
        await server.send("a")

    assert [1000] == told
    assert 5 == trio.current_time()


async def test_rule_4_a_plain_exit_does_not_wait_for_new_ones(
    server: Server, autojump_clock: MockClock
) -> None:
    """A callback that is registered when everything is over does not keep the block from ending."""
    async with server.socket() as ws:

        async def closed(err: None, value: CloseResult) -> None:
            await trio.sleep(1)
            ws.on("message", ignore)
            ws.once("open", ignore)

        ws.on("close", closed)

    assert 1 == trio.current_time()


async def test_rule_4_off_ends_the_task(server: Server, autojump_clock: MockClock) -> None:
    """What was queued is forgotten, what is being worked on is finished."""
    told = Told()

    async with server.socket() as ws:
        ws.on("message", told.slowly)
        await server.send("a", "b", "c")
        ws.off("message", told.slowly)
        await server.send("d")

        assert "d" == await ws.receive()
    assert ["a"] == told


@pytest.mark.parametrize("why", ["error", "cancellation"])
async def test_rule_4_they_end_on_error_and_cancellation(
    server: Server, autojump_clock: MockClock, why: str
) -> None:
    """A callback that would wait for ever is cancelled, and the block ends."""
    told = Told()

    async def wait(err: None, value: Message) -> None:
        try:
            await trio.sleep_forever()
        finally:
            told.append("ended")

    with trio.CancelScope() as scope:
        try:
            async with server.socket() as ws:
                ws.on("message", wait)
                await server.send("a", "b")
                if why == "error":
                    raise ValueError
                scope.cancel()
                await trio.sleep_forever()
        except ValueError:
            pass

    assert ["ended"] == told
    assert [GOING_AWAY] == server.frames


async def test_rule_4_a_cancelled_callback_holds_up_nobody(server: Server, autojump_clock: MockClock) -> None:
    """When all is cancelled the body still receives in its cleanup, though an async callback is gone."""
    received = Told()

    with trio.CancelScope() as scope:
        async with server.socket() as ws:
            stream = ws.subscribe("message", max_items=1000)
            ws.on("message", ignore)
            ws.on("open", ignore)
            try:
                scope.cancel()
                await trio.lowlevel.checkpoint()
            finally:
                with trio.CancelScope(shield=True):
                    await server.send(*numbers(0, 600))
                    received.extend(stream.receive_nowait() for _ in range(len(stream)))

    assert numbers(0, 600) == received


# Rule 5: what a callback raises


class Oops(Exception):
    """What callbacks raise here."""


def raises(error: BaseException) -> Callable[..., None]:
    """Return a callback that raises `error`."""

    def fail(*arguments: object) -> None:
        raise error

    return fail


WHILE_OPEN = ([GOING_AWAY], [(1001, "")])


@pytest.mark.parametrize(
    ("name", "sent", "closed"),
    [
        ("headerReceive", *WHILE_OPEN),
        ("open", *WHILE_OPEN),
        ("openInfo", *WHILE_OPEN),
        ("message", *WHILE_OPEN),
        ("dataEnd", *WHILE_OPEN),
        ("error", [], [(1006, "The link is down")]),
        ("close", [], [(1006, "The link is down")]),
    ],
)
@sync_or_async
async def test_rule_5_exceptions_come_out_bare(
    server: Server,
    autojump_clock: MockClock,
    kind: Kind,
    name: EventName,
    sent: list[Frame],
    closed: list[object],
) -> None:
    """The peer gets Close 1001, `close` is told, and the very exception comes out of the block."""
    error = Oops()
    told = Told()

    with pytest.raises(Oops) as caught:
        async with server.network.websocket() as ws:
            ws.on("close", told.close)
            ws.on(name, kind(raises(error)))
            await ws.connect(URL)
            if name in ("message", "dataEnd"):
                await server.send("a")
            elif name in ("error", "close"):
                await server.cut()
            await trio.sleep_forever()

    assert error is caught.value
    assert error.__context__ is None
    assert error.__cause__ is None
    assert sent == server.frames
    assert closed == told
    assert 0 == trio.current_time()


@sync_or_async
async def test_rule_5_an_error_listener_of_a_failed_attempt(
    nursery: trio.Nursery, kind: Kind, autojump_clock: MockClock
) -> None:
    """What it raises comes out of the block when connect's own error was dealt with."""

    async def refuse(peer: Peer) -> None:
        await peer.read_request()
        await peer.stream.aclose()

    with pytest.raises(Oops):
        async with Network(refuse, nursery).websocket() as ws:
            ws.on("error", kind(raises(Oops())))
            with pytest.raises(BusinessError):
                await ws.connect(URL)
            await trio.sleep_forever()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
async def test_rule_5_any_exception(
    server: Server, autojump_clock: MockClock, error: type[BaseException]
) -> None:
    """Exceptions that are none of `Exception` are treated alike."""
    with pytest.raises(error):
        async with server.socket() as ws:
            ws.on("message", raises(error()))
            await server.send("a")
            await trio.sleep_forever()

    assert [GOING_AWAY] == server.frames


@pytest.mark.parametrize("size", [pytest.param(1, id="small"), pytest.param(65536, id="large")])
async def test_rule_5_delivery_stops_for_the_only_callback(
    server: Server, autojump_clock: MockClock, size: int
) -> None:
    """What came together with the message at which it raised is told to nobody."""
    told = Told()

    def fail_at_b(err: None, value: Message) -> None:
        told.append(value[0])
        if value[0] == "b":
            raise Oops

    with pytest.raises(Oops):
        async with server.socket() as ws:
            ws.on("message", fail_at_b)
            await server.send("a" * size, "b" * size, "c" * size)
            await trio.sleep_forever()

    assert ["a", "b"] == told


@pytest.mark.parametrize("path", ["wire", "backlog"])
@sync_or_async
async def test_rule_5_delivery_stops(
    server: Server, autojump_clock: MockClock, kind: Kind, path: str
) -> None:
    """Nothing is told after a callback raised: not to it, nor to those behind it, nor to streams."""
    told, others = Told(), Told()

    def fail_at_b(err: None, value: Message) -> None:
        told.append(value)
        if value == "b":
            raise Oops

    with pytest.raises(Oops):
        async with server.socket() as ws:
            if path == "backlog":
                await server.send("a", "b", "c", "d")
            stream = ws.subscribe("message")
            ws.on("message", kind(fail_at_b))
            ws.on("message", others.message)
            if path == "wire":
                await server.send("a", "b", "c", "d")
            await trio.testing.wait_all_tasks_blocked()
            await server.send("e", "f")
            await trio.sleep_forever()

    assert ["a", "b"] == told
    if kind is as_async:  # which works off its queue while the reader goes on
        assert ["a", "b", "c", "d"] == others
    else:
        assert ["a"] == others
        assert (1 if path == "wire" else 0) == len(stream)


async def test_rule_5_two_exceptions_come_out_as_a_group(server: Server, autojump_clock: MockClock) -> None:
    """A message callback and then a `close` listener: neither is lost."""
    with pytest.RaisesGroup(Oops, ValueError):
        async with server.socket() as ws:
            ws.on("message", raises(Oops()))
            ws.on("close", raises(ValueError()))
            await server.send("a")
            await trio.sleep_forever()


async def test_rule_5_two_tasks_raise_in_the_same_step(server: Server, autojump_clock: MockClock) -> None:
    """Two async callbacks of the same message: neither is lost."""

    async def fail(err: None, value: Message) -> None:
        if value == "a":
            raise Oops
        await trio.sleep_forever()

    async def fail_too(err: None, value: Message) -> None:
        if value == "a":
            raise ValueError
        await trio.sleep_forever()

    with pytest.RaisesGroup(Oops, ValueError):
        async with server.socket() as ws:
            ws.on("message", fail)
            ws.on("message", fail_too)
            await server.send("a")
            await trio.sleep_forever()


async def test_rule_5_error_and_close_listener_both_raise(server: Server, autojump_clock: MockClock) -> None:
    """`close` is told though the `error` listener raised, and both exceptions come out."""
    with pytest.RaisesGroup(Oops, ValueError):
        async with server.socket() as ws:
            ws.on("error", raises(Oops()))
            ws.on("close", raises(ValueError()))
            await server.cut()
            await trio.sleep_forever()


async def test_rule_5_the_body_and_a_close_listener_raise(server: Server, autojump_clock: MockClock) -> None:
    """The body's exception and the listener's come out together."""
    with pytest.RaisesGroup(Oops, ValueError):
        async with server.socket() as ws:
            ws.on("close", raises(Oops()))
            raise ValueError


@pytest.mark.parametrize("use", ["send", "receive"])
async def test_rule_5_bare_though_the_body_uses_the_socket(
    server: Server, autojump_clock: MockClock, use: str
) -> None:
    """A body that sends or receives meanwhile adds no error of its own to that of a sync callback."""
    with pytest.raises(Oops):
        async with server.socket() as ws:
            ws.on("dataEnd", raises(Oops()))
            await server.network.peers[-1].send(frames("a"))
            while True:
                await (ws.send("x") if use == "send" else ws.receive())
                await trio.lowlevel.checkpoint()


async def test_rule_5_a_callback_that_closes_and_raises(server: Server, autojump_clock: MockClock) -> None:
    """What it closed with stays, and the exception comes out."""
    with pytest.raises(Oops):
        async with server.socket() as ws:

            def close(err: None, value: Message) -> None:
                ws.close({"code": 3000, "reason": "x"}, lambda err, value: None)
                raise Oops

            ws.on("message", close)
            await server.send("a")
            await trio.sleep_forever()

    assert [Frame(CLOSE, b"\x0b\xb8x")] == server.frames


# Rule 6: the parked reader


class Slow:
    """A consumer that does not consume, in one of the places where the reader may have to wait.

    Args:
        ws: whose consumer.
        where: the place.
    """

    PLACES = ("inbox", "inbox beside dataEnd", "stream", "callback", "dataEnd callback", "dataEnd stream")
    COUNT = 2 * ASYNC_ITEMS  # messages that certainly park the reader

    def __init__(self, ws: WebSocket, where: str) -> None:
        self.ws = ws
        self.where = where
        self.gate = trio.Event()
        self.stream: EventStream[Any] | None = None
        if where.endswith("stream"):
            self.stream = ws.subscribe("dataEnd" if "dataEnd" in where else "message", max_items=4)
        if where.endswith("callback"):
            ws.on("dataEnd" if "dataEnd" in where else "message", self.wait)
        if where.startswith("inbox"):
            if "beside" in where:
                ws.on("dataEnd", lambda: None)
        elif where != "callback":
            ws.on("message", lambda err, value: None)  # the inbox is not to park the reader

    async def wait(self, *arguments: object) -> None:
        """Hold up the reader."""
        await self.gate.wait()

    async def leave(self) -> None:
        """Give the place up: the reader has nobody to wait for."""
        if self.stream is not None:
            await self.stream.aclose()
        elif self.where.startswith("inbox"):
            self.ws.on("message", lambda err, value: None)  # the mode changes
        else:
            self.ws.off("dataEnd" if "dataEnd" in self.where else "message", self.wait)
            if self.where == "callback":
                self.ws.on("message", lambda err, value: None)

    async def consume(self) -> None:
        """Consume everything from now on."""
        self.gate.set()
        try:
            if self.stream is not None:
                async for _ in self.stream:
                    pass
            elif self.where.startswith("inbox"):
                while True:
                    await self.ws.receive()
        except (EndOfMessages, ConnectionLost):
            pass


places = pytest.mark.parametrize("where", Slow.PLACES)


@asynccontextmanager
async def held_up(
    server: Server, where: str, **settings: Any
) -> AsyncIterator[tuple[WebSocket, Slow, EventStream[Message]]]:
    """Enter a socket whose reader is parked, with a roomy stream beside; all is released in the end."""
    async with server.socket(receive_buffer=(4, 1 << 20), **settings) as ws:
        all_of_them = ws.subscribe("message", max_items=2 * Slow.COUNT)
        slow = Slow(ws, where)
        await server.send(*numbers(0, Slow.COUNT))
        assert await parked(ws)
        try:
            yield ws, slow, all_of_them
        finally:
            slow.gate.set()


async def everything(stream: EventStream[Message]) -> list[Message]:
    """Return what is in a stream, up to its end."""
    return [message async for message in stream]


@places
async def test_rule_6_all_others_have_the_message_in_hand_once(
    server: Server, autojump_clock: MockClock, nursery: trio.Nursery, where: str
) -> None:
    """The roomy stream has all that the slow consumer has, and the one that waits; later each just once."""
    async with held_up(server, where) as (ws, slow, stream):
        limit = ASYNC_ITEMS if where.endswith("callback") else 4

        assert limit + 1 == len(stream)
        nursery.start_soon(slow.consume)
        await trio.testing.wait_all_tasks_blocked()
        await ws.close()
        assert numbers(0, Slow.COUNT) == await everything(stream)


async def test_rule_6_it_goes_on_at_half_of_the_limit(server: Server, autojump_clock: MockClock) -> None:
    """With 8 places in a stream, the reader waits until 4 are free, not before."""
    async with server.socket(receive_buffer=None) as ws:
        stream = ws.subscribe("message", max_items=8)
        await server.send(*numbers(0, 20))
        for left in (7, 6, 5):
            stream.receive_nowait()
            assert await parked(ws)
            assert left == len(stream)
        stream.receive_nowait()
        assert await parked(ws)
        assert 8 == len(stream)


async def test_rule_6_the_inbox_is_filled_again_at_half_of_the_limit(
    server: Server, autojump_clock: MockClock
) -> None:
    """The same for the socket's own queue, in which no message is in hand."""
    async with server.socket(receive_buffer=(8, 1000)) as ws:
        await server.send(*numbers(0, 20))
        for left in (7, 6, 5, 8):
            await ws.receive()
            assert await parked(ws)
            assert left == waiting(ws)


@pytest.mark.parametrize(
    ("buffer", "held"), [((3, 1000), 3), ((100, 10), 3), ((100, 12), 3), ((100, 13), 4), ((100, 1), 1)]
)
async def test_rule_6_limits_in_messages_and_in_bytes(
    server: Server, autojump_clock: MockClock, buffer: tuple[int, int], held: int
) -> None:
    """Messages of four bytes: the queue is full from either limit, for the inbox and for streams alike."""
    async with server.socket(receive_buffer=buffer) as ws:
        await server.send(*[bytes(4)] * 10)
        assert held == waiting(ws)
        stream = ws.subscribe("message", max_items=buffer[0], max_bytes=buffer[1])
        ws.on("message", lambda err, value: None)
        await server.send(*[bytes(4)] * 10)

        assert held == len(stream)


@places
async def test_rule_6_it_goes_on_when_the_place_is_left(
    server: Server, autojump_clock: MockClock, where: str
) -> None:
    """A stream that is left, a callback that is taken off, a mode that changes: all the rest is delivered."""
    async with held_up(server, where) as (ws, slow, stream):
        await slow.leave()
        await server.send("last")
        assert not await parked(ws)
        await ws.close()

        assert [*numbers(0, Slow.COUNT), "last"] == await everything(stream)


@places
async def test_rule_6_it_runs_free_when_our_close_is_queued(
    server: Server, autojump_clock: MockClock, where: str
) -> None:
    """The messages behind are dropped, the peer's Close is seen at once, and nothing is told after that."""
    async with held_up(server, where) as (ws, _, stream):
        before = trio.current_time()
        told = len(stream)
        await ws.close()

        assert before == trio.current_time()
        assert CloseResult(1000, "", clean=True, by="local") == ws.close_result
        assert numbers(0, told) == await everything(stream)


@places
async def test_rule_6_it_runs_free_when_writing_fails(
    server: Server, autojump_clock: MockClock, where: str
) -> None:
    """When the link is found dead by a send, the end is told within a second or so."""
    async with held_up(server, where) as (ws, _, _):
        before = trio.current_time()
        await server.vanish()
        ws.send_nowait("into the void")

        assert (1006, "link") == ((result := await ws.wait_closed()).code, result.by)
        assert 1 == trio.current_time() - before


@places
async def test_rule_6_it_does_not_hold_up_an_exit_with_an_error(
    server: Server, autojump_clock: MockClock, where: str
) -> None:
    """The peer gets Close 1001 and its answer is seen, at once."""
    told = Told()
    with pytest.raises(Oops):
        async with held_up(server, where) as (ws, _, _):
            ws.on("close", lambda err, value: told.append(value))
            before = trio.current_time()
            raise Oops

    assert before == trio.current_time()
    assert [CloseResult(1001, "", clean=True, by="local")] == told
    assert [GOING_AWAY] == server.frames


async def test_rule_6_two_full_places_wait_for_themselves_only(
    server: Server, autojump_clock: MockClock
) -> None:
    """Of two streams that are full, the one that is read has the message in hand, whatever the other does."""
    async with server.socket(receive_buffer=None) as ws:
        ws.subscribe("message", max_items=1)
        stream = ws.subscribe("message", max_items=1)
        await server.send("a", "b", "c")
        with trio.move_on_after(5):
            assert "a" == await stream.receive()
            assert "b" == await stream.receive()
            return
        pytest.fail("the second message did not come")


async def test_rule_6_a_callback_that_closes_parks_nobody(server: Server, autojump_clock: MockClock) -> None:
    """The message whose callback closed finds a stream full: it is dropped there, not waited for."""
    async with server.socket() as ws:
        stream = ws.subscribe("message", max_items=1)
        ws.on("message", lambda err, value: ws.close(lambda err, value: None) if value == "1" else None)
        await server.send(*numbers(0, 5))

        assert CloseResult(1000, "", clean=True, by="local") == await ws.wait_closed()
        assert 0 == trio.current_time()
        assert ["0"] == await everything(stream)


@places
@pytest.mark.parametrize("end", ["Close", "EOF"])
async def test_rule_6_it_sees_no_end_before_the_consumer_reads_on(
    server: Server, autojump_clock: MockClock, nursery: trio.Nursery, where: str, end: str
) -> None:
    """The peer's Close, or its EOF, waits behind the messages; then all is delivered, and the end told."""
    async with held_up(server, where) as (ws, slow, stream):
        await (server.close(1000, "bye") if end == "Close" else server.cut())
        await trio.sleep(100)
        assert "open" == ws.state
        nursery.start_soon(slow.consume)

        result = await ws.wait_closed()
        expected = (1000, "bye", True) if end == "Close" else (1006, "The link is down", False)
        assert expected == (result.code, result.reason, result.clean)
        assert numbers(0, Slow.COUNT) == await everything(stream)


@places
async def test_rule_6_a_warning_after_30_s(
    server: Server, autojump_clock: MockClock, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, however long the reader is parked; statistics() tells for how long."""
    async with held_up(server, where) as (ws, slow, _):
        await trio.sleep(28.5)
        assert [] == caplog.records
        assert 29.5 == ws.statistics().parked
        await trio.sleep(1)
        assert 30.5 == ws.statistics().parked == ws.statistics().parked_total
        await trio.sleep(1000)

        assert ["trio_ohws"] == [record.name for record in caplog.records]
        assert logging.WARNING == caplog.records[0].levelno
        assert "waiting for their consumer for 30 s" in caplog.text
        assert 1030.5 == ws.statistics().parked == ws.statistics().parked_total
        await slow.leave()
        await trio.sleep(1)
        assert 0 == ws.statistics().parked
        assert 1030.5 == ws.statistics().parked_total


async def test_rule_6_a_ping_has_to_wait_for_the_consumer(server: Server, autojump_clock: MockClock) -> None:
    """The pong is behind the messages: the round trip takes as long as the consumer does."""
    async with held_up(server, "stream") as (ws, slow, _):
        took = Told()

        async def ping() -> None:
            took.append(await ws.ping())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ping)
            await trio.sleep(100)
            await slow.leave()

        assert [100] == took


async def test_rule_6_a_slow_consumer_is_no_dead_link(server: Server, autojump_clock: MockClock) -> None:
    """A parked reader hears no pong for hours; the link is not given up, and goes on afterwards."""
    async with held_up(server, "stream", ping_interval=1, ping_timeout=1) as (ws, slow, stream):
        await trio.sleep(10000)
        await slow.leave()
        await trio.sleep(10)
        await server.send("last")
        assert "open" == ws.state
        await ws.close()

        assert [*numbers(0, Slow.COUNT), "last"] == await everything(stream)


# Rule 7: dataEnd and pieces


@pytest.mark.parametrize("size", [None, 4])
async def test_rule_7_data_end_follows_the_message(
    server: Server, autojump_clock: MockClock, size: int | None
) -> None:
    """message, dataEnd, message, dataEnd: each dataEnd after the last piece, by streams too."""
    told = Told()

    async with server.socket(fragment_size=size) as ws:
        ws.on("dataEnd", told.named("end"))
        ws.on("message", told.message)
        ends = ws.subscribe("dataEnd")
        await server.send("abcdef", "", b"gh")

        pieces = ["abcdef"] if size is None else ["abcd", "ef"]
        assert [*pieces, "end", "", "end", b"gh", "end"] == told
        assert [None, None, None] == [ends.receive_nowait() for _ in range(3)]


async def test_rule_7_pieces_are_cut_over_the_message_not_by_frames(
    server: Server, autojump_clock: MockClock
) -> None:
    """The peer's fragments do not show; text is cut between characters."""
    told = Told()

    async with server.socket(fragment_size=4) as ws:
        ws.on("message", told.message)
        ws.on("dataEnd", told.named("end"))
        await server.raw(frame(TEXT, "a", fin=False) + frame(0, "äö", fin=False) + frame(0, "€b"))
        await server.raw(frame(BINARY, b"12", fin=False) + frame(0, b"3456"))

    assert ["aä", "ö", "€b", "end", b"1234", b"56", "end"] == told


async def test_rule_7_async_callbacks_get_the_pieces_too(server: Server, autojump_clock: MockClock) -> None:
    """All pieces, in order, even if there are more than its queue holds."""
    told = Told()
    text = "".join(f"{number:04}" for number in range(2 * ASYNC_ITEMS))

    async with server.socket(fragment_size=4) as ws:
        ws.on("message", as_async(told.message))
        await server.send(text, "end")

    assert [text[start : start + 4] for start in range(0, len(text), 4)] + ["end"] == told


async def test_rule_7_streams_and_receive_get_whole_messages(
    server: Server, autojump_clock: MockClock
) -> None:
    """Pieces are for callbacks only; the backlog is cut when a callback comes to it."""
    told = Told()

    async with server.socket(fragment_size=4) as ws:
        stream = ws.subscribe("message")
        await server.send("abcdef", "ghijkl")

        assert "abcdef" == await ws.receive()
        assert ["abcdef", "ghijkl"] == [await stream.receive(), await stream.receive()]
        ws.on("message", told.message)
        await trio.testing.wait_all_tasks_blocked()
        assert ["ghij", "kl"] == told


async def test_rule_7_in_pull_mode_data_end_is_told_on_arrival(
    server: Server, autojump_clock: MockClock
) -> None:
    """It does not wait for whoever receives."""
    told = Told()

    async with server.socket() as ws:
        ws.on("dataEnd", told.named("end"))
        await server.send("a", "b")

        assert ["end", "end"] == told
        assert ["a", "b"] == [await ws.receive(), await ws.receive()]
    assert ["end", "end"] == told


# Rule 8: who may wait, and when there is nothing to wait for


PULLS: dict[str, Callable[[WebSocket], Awaitable[object]]] = {
    "receive": WebSocket.receive,
    "iteration": WebSocket.__anext__,
    "batches": lambda ws: anext(aiter(ws.batches())),
}
pulls = pytest.mark.parametrize("pull", PULLS.values(), ids=PULLS)


@pulls
async def test_rule_8_a_second_task_is_busy(
    server: Server,
    autojump_clock: MockClock,
    nursery: trio.Nursery,
    pull: Callable[[WebSocket], Awaitable[object]],
) -> None:
    """While one task waits in receive, no other may wait in any way; the first gets its message."""
    told = Told()

    async def first() -> None:
        told.append(await ws.receive())

    async with server.socket() as ws:
        nursery.start_soon(first)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await pull(ws)
        await server.send("a")

    assert ["a"] == told


@pulls
async def test_rule_8_before_any_connect(
    server: Server, autojump_clock: MockClock, pull: Callable[[WebSocket], Awaitable[object]]
) -> None:
    """There is nothing to wait for: 2302999 inside the block, RuntimeError before it."""
    ws = server.network.websocket()
    with pytest.raises(RuntimeError, match="not entered"):
        await pull(ws)
    async with ws:
        with pytest.raises(BusinessError, match="never connected") as caught:
            await pull(ws)

    assert 2302999 == caught.value.code


@pulls
async def test_rule_8_while_connecting_it_waits(
    server: Server,
    autojump_clock: MockClock,
    nursery: trio.Nursery,
    pull: Callable[[WebSocket], Awaitable[object]],
) -> None:
    """Whoever asks early gets the first message."""
    told = Told()
    gate = trio.Event()

    async def serve(peer: Peer) -> None:
        await gate.wait()
        await peer.accept(then=frames("a"))
        await peer.serve_politely()

    async def consumer() -> None:
        told.append(await pull(ws))

    server.network.script = serve
    async with server.network.websocket() as ws:
        ws.connect(URL, lambda err, value: told.append(value))
        nursery.start_soon(consumer)
        await trio.testing.wait_all_tasks_blocked()
        assert [] == told
        gate.set()
        await trio.testing.wait_all_tasks_blocked()

    assert 2 == len(told)
    assert [True] == [one for one in told if one is True]
    assert told[0] in ("a", ["a"], True)


@pulls
async def test_rule_8_a_failed_attempt_wakes_whoever_waits(
    server: Server,
    autojump_clock: MockClock,
    nursery: trio.Nursery,
    pull: Callable[[WebSocket], Awaitable[object]],
) -> None:
    """The wait ends with 2302999, now and for who comes later."""
    told = Told()

    async def serve(peer: Peer) -> None:
        await trio.testing.wait_all_tasks_blocked()
        await peer.stream.aclose()

    async def consumer() -> None:
        with pytest.raises(BusinessError, match="attempt failed") as caught:
            await pull(ws)
        told.append(caught.value.code)

    server.network.script = serve
    async with server.network.websocket() as ws:
        async with trio.open_nursery() as consumers:
            ws.connect(URL, lambda err, value: told.append(err.code))
            consumers.start_soon(consumer)
        await consumer()

    assert [2302999, 2302999, 2302999] == told


async def own_close(server: Server, ws: WebSocket) -> None:
    """Close with a code of our own."""
    await ws.close({"code": 3000, "reason": "done"})


async def overflow(server: Server, ws: WebSocket) -> None:
    """Let a stream close the connection."""
    ws.subscribe("dataEnd", max_items=1, overflow="close")
    await server.send("c", "d")


async def silence(server: Server, ws: WebSocket) -> None:
    """Let the keepalive find out."""
    server.mute = True
    await trio.sleep(100)


async def cancelled_close(server: Server, ws: WebSocket) -> None:
    """Drop the connection by cancelling close."""
    with trio.CancelScope() as scope:
        scope.cancel()
        ws.close(lambda err, value: None)
        await ws.aclose()


ENDS: dict[str, tuple[Callable[[Server, WebSocket], Awaitable[object]], type[BusinessError]]] = {
    "1000": (lambda server, ws: server.close(1000, "bye"), EndOfMessages),
    "1001": (lambda server, ws: server.close(1001), EndOfMessages),
    "1005": (lambda server, ws: server.close(None), EndOfMessages),
    "1002": (lambda server, ws: server.close(1002), ConnectionLost),
    "1011": (lambda server, ws: server.close(1011, "oops"), ConnectionLost),
    "3000": (lambda server, ws: server.close(3000), ConnectionLost),
    "4999": (lambda server, ws: server.close(4999), ConnectionLost),
    "EOF": (lambda server, ws: server.cut(), ConnectionLost),
    "violation": (lambda server, ws: server.raw(b"\xc1\x00"), ConnectionLost),
    "bad text": (lambda server, ws: server.raw(frame(TEXT, b"\xff")), ConnectionLost),
    "silence": (silence, ConnectionLost),
    "own close": (own_close, EndOfMessages),
    "overflow": (overflow, EndOfMessages),
    "cancelled close": (cancelled_close, EndOfMessages),
}


@pytest.mark.parametrize(("end", "error"), ENDS.values(), ids=ENDS)
async def test_rule_8_the_end_comes_after_all_that_arrived(
    server: Server,
    autojump_clock: MockClock,
    end: Callable[[Server, WebSocket], Awaitable[object]],
    error: type[BusinessError],
) -> None:
    """What arrived is handed out first; then it is EndOfMessages or ConnectionLost, every time."""
    async with server.socket() as ws:
        await server.send("a", "b")
        await end(server, ws)
        await ws.wait_closed()

        assert ["a", "b"] == [await ws.receive(), await ws.receive()]
        if end is overflow:
            assert ["c", "d"] == [await ws.receive(), await ws.receive()]
        for _ in range(2):
            with pytest.raises(error) as caught:
                await ws.receive()
            assert 2302999 == caught.value.code
            if error is EndOfMessages:
                assert [] == [message async for message in ws]
                assert [] == [batch async for batch in ws.batches()]
            else:
                with pytest.raises(ConnectionLost):
                    await anext(aiter(ws))
                with pytest.raises(ConnectionLost):
                    await anext(aiter(ws.batches()))


@pytest.mark.parametrize(("end", "error"), ENDS.values(), ids=ENDS)
@pulls
async def test_rule_8_the_end_wakes_whoever_waits(
    server: Server,
    autojump_clock: MockClock,
    nursery: trio.Nursery,
    end: Callable[[Server, WebSocket], Awaitable[object]],
    error: type[BusinessError],
    pull: Callable[[WebSocket], Awaitable[object]],
) -> None:
    """A waiting task hears of the end as one that comes later would."""
    told = Told()

    async def consumer() -> None:
        try:
            while True:
                await pull(ws)
        except (StopAsyncIteration, BusinessError) as caught:
            told.append(type(caught))

    async with server.socket() as ws:
        nursery.start_soon(consumer)
        await trio.testing.wait_all_tasks_blocked()
        await end(server, ws)
        await ws.wait_closed()
        await trio.testing.wait_all_tasks_blocked()

    ends = pull is not WebSocket.receive and error is EndOfMessages
    assert [StopAsyncIteration if ends else error] == told


# Rule 9: headerReceive and open come first


@sync_or_async
async def test_rule_9_header_receive_and_open_come_before_any_message(
    server: Server, autojump_clock: MockClock, kind: Kind
) -> None:
    """Even if the messages came in the same packet as the answer."""
    told = Told()
    server.then = frames("a", "b")

    def prepare(ws: WebSocket) -> None:
        ws.on("message", told.message)
        ws.on("dataEnd", told.named("end"))
        ws.on("open", told.named("open"))
        ws.on("headerReceive", told.named("headerReceive"))

    async with server.socket(prepare):
        await trio.testing.wait_all_tasks_blocked()

    assert ["headerReceive", "open", "a", "end", "b", "end"] == told


async def test_rule_9_a_message_may_be_told_before_connect_returns(
    server: Server, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Nothing holds messages up until the caller runs again: here it is told to wait longer."""
    told = Told()
    server.then = frames("a")

    async with server.network.websocket() as ws:
        ws.on("message", told.message)

        async def slow_caller() -> None:
            await ws.connect(URL)
            told.append("connected")

        def hold_up(err: None, value: OpenResult) -> None:
            told.append("open")
            assert "open" == ws.state

        ws.on("open", hold_up)
        nursery.start_soon(slow_caller)
        await trio.testing.wait_all_tasks_blocked()

    assert "open" == told[0]
    assert ["a", "connected"] == sorted(told[1:])


# Rule 10: the end of a session


class Noted(trio.abc.Stream):
    """A stream that knows whether it was released."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.released = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See `Stream`."""
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """See `Stream`."""
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See `Stream`."""
        return bytes(await self.stream.receive_some(max_bytes))

    async def aclose(self) -> None:
        """See `Stream`."""
        self.released = True
        await self.stream.aclose()


@pytest.mark.parametrize("name", ["1000", "EOF", "violation", "own close", "cancelled close"])
async def test_rule_10_the_order_of_the_end(
    server: Server, autojump_clock: MockClock, nursery: trio.Nursery, name: str
) -> None:
    """Transport released, state closed, then error, then close, then whoever waits."""
    end, _ = ENDS[name]
    told = Told()
    noted: list[Noted] = []

    async def dial(*arguments: Any) -> trio.abc.Stream:
        noted.append(Noted(await server.network.dial(*arguments)))
        return noted[-1]

    def note(name: str) -> None:
        told.append(name)
        assert noted[-1].released
        assert "closed" == ws.state

    async def wait(name: str, waiting: Callable[[], Awaitable[object]]) -> None:
        try:
            await waiting()
        except (AlreadyClosed, EndOfMessages, ConnectionLost, trio.EndOfChannel):
            pass
        note(name)

    async with WebSocket(dial=dial) as ws:
        ws.on("error", lambda err: note("error"))
        ws.on("close", lambda err, value: note("close"))
        await ws.connect(URL)
        for waiting_for in (ws.receive, ws.wait_closed, ws.ping, ws.subscribe("message").receive):
            nursery.start_soon(wait, "waiter", waiting_for)
        server.mute = True
        await trio.testing.wait_all_tasks_blocked()
        await end(server, ws)
        await ws.wait_closed()
        await trio.testing.wait_all_tasks_blocked()

    events = ["error", "close"] if name in ("EOF", "violation") else ["close"]
    assert [*events, "waiter", "waiter", "waiter", "waiter"] == told


@pytest.mark.parametrize("name", ["1000", "1011", "EOF", "violation", "own close"])
@pytest.mark.parametrize("form", ["callback", "await"])
async def test_rule_10_connecting_again_inside_a_close_listener(
    server: Server, autojump_clock: MockClock, form: str, name: str
) -> None:
    """It works in both forms, and the same listeners and streams hear of the new session."""
    end, _ = ENDS[name]
    told = Told()
    again = trio.Event()

    async with server.network.websocket() as ws:

        def connect(err: None, value: CloseResult) -> None:
            told.append("close")
            server.closing = False
            if not again.is_set():
                ws.connect(URL, lambda err, value: again.set())

        async def reconnect(err: None, value: CloseResult) -> None:
            told.append("close")
            server.closing = False
            if not again.is_set():
                await ws.connect(URL)
                again.set()

        ws.on("close", connect if form == "callback" else reconnect)
        ws.on("open", told.named("open"))
        ws.on("message", told.message)
        opens = ws.subscribe("open")
        await ws.connect(URL)
        await server.send("a")
        await end(server, ws)
        await again.wait()
        assert "open" == ws.state
        assert ws.close_result is None
        await server.send("b")
        assert 2 == len(opens)

    assert ["open", "a", "close", "open", "b", "close"] == told
    assert 2 == len(server.network.peers)


async def test_rule_10_the_new_session_has_an_inbox_of_its_own(
    server: Server, autojump_clock: MockClock
) -> None:
    """Whoever waited for the old one hears of its end; receive is about the new one from then on."""
    told = Told()
    again = trio.Event()

    async with server.socket() as ws:

        def connect(err: None, value: CloseResult) -> None:
            if not again.is_set():
                server.closing = False
                ws.connect(URL, lambda err, value: again.set())
                told.append(ws.state)

        async def old() -> None:
            with pytest.raises(ConnectionLost):
                await ws.receive()
            told.append("ended")

        ws.on("close", connect)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(old)
            await trio.testing.wait_all_tasks_blocked()
            await server.close(1011)
        await again.wait()
        await server.send("new")

        assert "new" == await ws.receive()
    assert ["connecting", "ended"] == told


# Streams: overflow, life and end


@pytest.mark.parametrize(
    ("overflow", "kept", "sent"),
    [
        ("wait", ["a", "b", "c", "d", "e"], [NORMAL]),
        ("drop_oldest", ["d", "e"], [NORMAL]),
        ("drop_newest", ["a", "b"], [NORMAL]),
        ("latest", ["e"], [NORMAL]),
        ("close", ["a", "b"], [TOO_SLOW]),
    ],
)
@pytest.mark.parametrize("limits", [{"max_items": 2}, {"max_bytes": 2}], ids=["items", "bytes"])
async def test_the_five_policies(
    server: Server,
    autojump_clock: MockClock,
    overflow: Overflow,
    kept: list[Message],
    sent: list[Frame],
    limits: dict[str, int],
) -> None:
    """Five messages for two places: what a slow reader gets, and what the peer is told."""
    told = Told()

    async with server.socket() as ws:
        ws.on("close", told.close)
        stream = ws.subscribe("message", overflow=overflow, **limits)
        await server.send("a", "b", "c", "d", "e")
        received: list[Message] = []
        while len(received) < len(kept):
            received.append(await stream.receive())
        assert kept == received
        if overflow not in ("wait", "close"):
            assert 5 - len(kept) == stream.statistics().dropped
            assert ["a", "b", "c", "d", "e"] == await anext(aiter(ws.batches()))

    assert sent == server.frames
    assert [(1000, "") if sent == [NORMAL] else (1008, "a subscriber is too slow")] == told


PAYLOADS: dict[EventName, type] = {
    "open": OpenResult,
    "openInfo": WebSocketOpenInfo,
    "message": str,
    "close": CloseResult,
    "error": BusinessError,
    "dataEnd": type(None),
    "headerReceive": ResponseHeaders,
}


@every_event
async def test_a_stream_of_each_event(server: Server, autojump_clock: MockClock, name: EventName) -> None:
    """Subscribed before the socket is entered, it has the payload that the callback gets."""
    ws = server.network.websocket()
    stream = ws.subscribe(name)
    told = Told()
    ws.on(name, lambda *arguments: told.append(arguments[-1] if arguments else None))
    async with ws:
        await one_of_each(server, ws)

        payload = stream.receive_nowait()
        assert PAYLOADS[name] is type(payload)
        assert [payload] == told
        with pytest.raises(trio.EndOfChannel if name == "message" else trio.WouldBlock):
            stream.receive_nowait()


@every_event
async def test_how_long_a_stream_lives(server: Server, autojump_clock: MockClock, name: EventName) -> None:
    """A stream of messages ends with the connection, the others hear of the next one and end at the exit."""
    async with server.network.websocket() as ws:
        stream = ws.subscribe(name)
        await one_of_each(server, ws)
        await one_of_each(server, ws)

    assert (1 if name == "message" else 2) == len([payload async for payload in stream])


@every_event
@pytest.mark.parametrize("exit_by", ["plain", "error", "cancellation"])
async def test_streams_end_however_the_socket_is_left(
    server: Server, autojump_clock: MockClock, nursery: trio.Nursery, name: EventName, exit_by: str
) -> None:
    """A task outside of the block that reads a stream gets to its end."""
    ended = trio.Event()

    async def follow(stream: EventStream[Any]) -> None:
        async for _ in stream:
            pass
        ended.set()

    with trio.CancelScope() as scope:
        try:
            async with server.socket() as ws:
                nursery.start_soon(follow, ws.subscribe(name))
                if exit_by == "error":
                    raise Oops
                if exit_by == "cancellation":
                    scope.cancel()
                    await trio.lowlevel.checkpoint()
        except Oops:
            pass
    with trio.fail_after(1):
        await ended.wait()


async def test_a_stream_may_be_left_by_another_task(
    server: Server, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Whoever reads it hears that it was left; the socket goes on without it."""
    told = Told()

    async def follow() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await stream.receive()
        told.append("left")

    async with server.socket() as ws:
        stream = ws.subscribe("message")
        nursery.start_soon(follow)
        await trio.testing.wait_all_tasks_blocked()
        await stream.aclose()
        await server.send("a")

        assert "a" == await ws.receive()
    assert ["left"] == told


async def test_without_a_receive_buffer_messages_are_discarded(
    server: Server, autojump_clock: MockClock
) -> None:
    """What nobody listens to is gone, as with OHOS; what a callback or a stream hears is not."""
    told = Told()

    async with server.socket(receive_buffer=None) as ws:
        await server.send(*numbers(0, 1000))
        assert ws.statistics().receive_queue is None
        ws.on("message", told.message)
        stream = ws.subscribe("message")
        await server.send("a")
        ws.off("message")
        await server.send("b")
        for pull in PULLS.values():
            with pytest.raises(RuntimeError, match="receive_buffer=None discards"):
                await pull(ws)

        assert ["a"] == told
        assert ["a", "b"] == [await stream.receive(), await stream.receive()]


# Cancellation and fairness


@settings(max_examples=40)
@given(data=st.data())
@pytest.mark.parametrize("way", [*PULLS, "stream"])
async def test_cancelling_loses_nothing(way: str, data: st.DataObject) -> None:
    """With cancellations at random points, what is received is complete and in order."""
    count = data.draw(st.integers(0, 80))
    chunk = data.draw(st.integers(1, 20))
    limit = data.draw(st.integers(1, 10))
    patience = data.draw(st.lists(st.one_of(st.none(), st.integers(0, 6)), min_size=1, max_size=40))
    received: list[Message] = []

    async def serve(peer: Peer) -> None:
        await peer.accept()
        for start in range(0, count, chunk):
            await peer.send(frames(*numbers(start, min(count, start + chunk))))
            await trio.lowlevel.checkpoint()
        await peer.close()

    async def cancel(scope: trio.CancelScope, after: int) -> None:
        for _ in range(after):
            await trio.lowlevel.checkpoint()
        scope.cancel()

    async with trio.open_nursery() as nursery:

        def cancel_after(scope: trio.CancelScope, steps: int) -> None:
            nursery.start_soon(cancel, scope, steps)

        async with Network(serve, nursery).websocket(receive_buffer=(limit, 100)) as ws:
            stream = ws.subscribe("message", max_items=limit) if way == "stream" else None
            if stream is not None:
                ws.on("message", lambda err, value: None)
            await ws.connect(URL)
            number = 0
            while True:
                number += 1
                steps = patience[number % len(patience)] if number % 3 else None
                with trio.CancelScope() as scope:
                    if steps is not None:
                        cancel_after(scope, steps)
                    try:
                        got = await (PULLS[way](ws) if stream is None else stream.receive())
                    except (StopAsyncIteration, trio.EndOfChannel):
                        break
                    received.extend(got if isinstance(got, list) else [got])  # type: ignore[list-item]

    assert numbers(0, count) == received


@pytest.mark.parametrize("way", ["receive", "iteration", "stream"])
async def test_every_64th_step_is_a_turn_for_the_others(
    server: Server, autojump_clock: MockClock, turns: Turns, way: str
) -> None:
    """With always something ready, the scheduler has its turn once in 64 steps, and not more often."""
    me = trio.lowlevel.current_task()

    async with server.socket(receive_buffer=(1000, 1 << 20)) as ws:
        stream = ws.subscribe("message", max_items=1000)
        await server.send(*numbers(0, 5 * TURN))
        turns.of.clear()
        for _ in range(5 * TURN):
            await (stream.receive() if way == "stream" else PULLS[way](ws))

        assert 64 == TURN
        assert 5 == turns.of[me]


async def test_async_callbacks_leave_others_their_turn(
    server: Server, autojump_clock: MockClock, turns: Turns
) -> None:
    """One that never waits gives the scheduler its turn once in 64 messages, and not more often."""
    tasks = Told()
    gate = trio.Event()

    async def step(err: None, value: Message) -> None:
        if value == "0":
            tasks.append(trio.lowlevel.current_task())
            await gate.wait()

    async with server.socket() as ws:
        ws.on("message", step)
        await server.send(*numbers(0, 3 * TURN))
        turns.of.clear()
        gate.set()
        await trio.testing.wait_all_tasks_blocked()

        # It goes on after the gate, with 191 messages left, gives two turns, and waits for the next one.
        assert 1 + 2 == turns.of[tasks[0]]


@pytest.mark.parametrize("way", [*PULLS, "stream"])
async def test_cancellation_is_noticed_at_every_step(
    server: Server, autojump_clock: MockClock, way: str
) -> None:
    """Whichever step it is, in a cancelled scope it raises, with messages ready, and takes none."""
    async with server.socket() as ws:
        stream = ws.subscribe("message")
        await server.send("a", "b")
        for _ in range(2 * TURN):
            with trio.CancelScope() as scope:
                scope.cancel()
                await (stream.receive() if way == "stream" else PULLS[way](ws))
            assert scope.cancelled_caught

        assert ["a", "b"] == await anext(aiter(ws.batches()))
        assert 2 == len(stream)
