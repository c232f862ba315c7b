"""One socket over many connections, under virtual time."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.checkpoints import Canceller, at_every_step, cancelled_after
from tests.journal import CONNECTED, Journal
from tests.keeper import Keeper
from tests.logbook import Logbook
from tests.reconnect.servers import WHOLE, Servers, answers, goodbye, mute, sends, texts
from tests.reply import Reply
from tests.scripted_peer import CLOSE, TEXT, URL, Frame, Peer, close_frame, frame, polite
from trio_ohws import AlreadyClosed, BusinessError, ConnectionLost, EndOfMessages, UpgradeRefused, WebSocket
from trio_ohws.reconnect import (
    Backoff,
    Connected,
    Connecting,
    Connection,
    ReconnectingWebSocket,
    Status,
    Stopped,
    Waiting,
    open_reconnecting,
)
from trio_ohws.testing import MemoryNetwork

REFUSAL = ConnectionRefusedError("not compared")


async def collect(ws: ReconnectingWebSocket) -> list[str | bytes]:
    """Iterate to the end."""
    return [message async for message in ws]


# Iteration


async def test_iteration_goes_on_with_the_next_connection(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """Messages of all connections come in order, none lost, none twice; a plain goodbye ends the loop."""
    servers = Servers(nursery, sends("a", "b"), None, goodbye("c", code=1012), goodbye("d"))
    async with servers.socket() as ws:
        assert ["a", "b", "c", "d"] == await collect(ws)
        assert "closed" == ws.state
    assert [0, 1, 3, 7] == servers.dialled
    assert all(tap.closed for tap in servers.taps)


async def test_batches_go_on_with_the_next_connection(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """So do lists of messages."""
    servers = Servers(nursery, sends("a", "b"), goodbye("c", "d"))
    async with servers.socket() as ws:
        assert ["a", "b", "c", "d"] == [message async for batch in ws.batches() for message in batch]


async def test_instruments_see_each_connection(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """Each attempt is one of its own, also one that reaches nobody."""
    servers = Servers(nursery, sends("a"), None, goodbye("b"))
    logbook = Logbook()
    async with servers.socket(instruments=(logbook,)) as ws:
        await collect(ws)

    ends = [name for name in logbook.names() if name in ("connecting", "connected", "refused", "closed")]
    lived = ["connecting", "connected", "closed"]
    assert [*lived, "connecting", "refused", *lived] == ends
    assert 3 == len(set(logbook.connections))


async def test_break_ends_it(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """Leaving the loop and the block closes the connection with 1000, and makes no other."""
    keeper = Keeper(then=frame(TEXT, "a") + frame(TEXT, "b"))
    servers = Servers(nursery, keeper)
    async with servers.socket() as ws:
        async for message in ws:
            assert "a" == message
            break
    await trio.sleep(1000)

    assert [Frame(CLOSE, b"\x03\xe8")] == keeper.frames
    assert [0] == servers.dialled


@pytest.mark.parametrize("loss", [True, False], ids=["while waiting", "while connected"])
async def test_an_exception_in_the_loop_comes_out_bare(
    loss: bool, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """What the body raises comes out as it is, whether there is a connection or not."""
    servers = Servers(nursery, sends("a") if loss else Keeper(then=frame(TEXT, "a")))
    with pytest.raises(ValueError, match="mine") as caught:
        async with servers.socket() as ws:
            async for _ in ws:
                if loss:
                    await trio.sleep(0.5)
                    assert isinstance(ws.status, Waiting)
                raise ValueError("mine")

    assert caught.value.__cause__ is None
    assert [0] == servers.dialled
    assert Stopped() == ws.status


@pytest.mark.parametrize("seconds", [0.5, 1.5, 2.5])
async def test_a_timeout_around_the_loop(
    seconds: float, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """Whether it strikes in a wait, in an attempt or in a connection, the loop ends and all is released."""

    async def late(peer: Peer) -> None:
        await peer.read_request()
        await trio.sleep(1)
        await peer.send(peer.answer())
        await peer.receive_all()

    servers = Servers(nursery, sends("a"), late, mute)
    began = trio.current_time()
    async with servers.socket() as ws:
        got = []
        with trio.move_on_after(seconds) as scope:
            async for message in ws:
                got.append(message)  # noqa: PERF401  # one by one, because it is cancelled

        assert scope.cancelled_caught
        assert ["a"] == got
        assert began + seconds == trio.current_time()
    assert all(tap.closed for tap in servers.taps)
    assert began + seconds + 10 >= trio.current_time()


async def test_a_timeout_around_a_step_loses_nothing(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """Cancelled again and again while it waits, iteration goes on with the next message."""
    servers = Servers(nursery, sends("a"), sends("b", after=0.2), None, goodbye("c"))
    got = []
    async with servers.socket() as ws:
        while True:
            with trio.move_on_after(0.3):
                try:
                    got.append(await ws.receive())
                except EndOfMessages:
                    break

    assert ["a", "b", "c"] == got


async def test_a_timeout_around_the_block(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """Cancelled from outside, the body's `finally` can still send, and nothing reconnects."""
    keeper = Keeper()
    servers = Servers(nursery, keeper)
    with trio.move_on_after(5) as scope:
        async with servers.socket() as ws:
            try:
                await collect(ws)
            finally:
                with trio.CancelScope(shield=True):
                    await ws.send("last words")
    await trio.sleep(1000)

    assert scope.cancelled_caught
    assert [Frame(TEXT, b"last words"), Frame(CLOSE, b"\x03\xe9")] == keeper.frames
    assert [0] == servers.dialled


async def test_nothing_waits_for_a_supervisor_that_is_no_more(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """In the `finally` of a body that was cancelled while there was no connection, calls raise at once."""
    servers = Servers(nursery, None)
    with trio.move_on_after(0.5):
        async with servers.socket() as ws:
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    for call in (
                        lambda: ws.receive(),
                        lambda: ws.send("x"),
                        lambda: ws.flush(),
                        lambda: ws.wait_connected(),
                        lambda: ws.ping(),
                    ):
                        with pytest.raises(BusinessError):
                            await call()
                    with pytest.raises(BusinessError):
                        ws.send_nowait("x")


# Attempts


@pytest.mark.parametrize("script", [polite, mute], ids=["connected", "connecting"])
async def test_our_own_goodbye_is_no_loss(
    script: Callable[[Peer], Awaitable[object]], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """When the block raises, nobody is asked whether to try again."""
    asked: list[Exception] = []
    servers = Servers(nursery, script)
    with pytest.raises(ValueError, match="mine"):
        async with servers.socket({"should_retry": asked.append, "backoff": Backoff(0, 0)}) as ws:
            statuses = ws.statuses()
            await trio.sleep(1)
            raise ValueError("mine")

    assert [] == asked
    assert Stopped() == [status async for status in statuses][-1]
    assert [0] == servers.dialled


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_final_refusal(status: int, nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """It is tried once; whoever waits is told why, each with an error of their own."""
    servers = Servers(nursery, answers(f"{status} No"))
    async with servers.socket() as ws:
        with pytest.raises(UpgradeRefused) as caught:
            await collect(ws)
        assert status == caught.value.status
        again = []
        for call in (ws.receive, ws.flush, ws.wait_connected, ws.wait_closed, ws.ping, lambda: ws.send("x")):
            with pytest.raises(UpgradeRefused) as caught:
                await call()
            again.append(caught.value)
        with pytest.raises(UpgradeRefused):
            ws.send_nowait("x")
        assert 6 == len(set(map(id, again)))
        assert all(error.__cause__ is not None for error in again)
        assert ws.status == Stopped()
        assert isinstance(ws.status, Stopped)
        assert isinstance(ws.status.error, UpgradeRefused)
    assert [0] == servers.dialled


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
async def test_retry_after_is_obeyed(status: str, nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """The next attempt comes exactly when the server wants it; without a word the backoff goes on."""
    servers = Servers(
        nursery,
        answers(status, "Retry-After: 7"),
        answers(status, "Date: Wed, 21 Oct 2015 07:28:00 GMT", "Retry-After: Wed, 21 Oct 2015 07:30:00 GMT"),
        answers(status, "Retry-After: 0"),
        answers(status),
        goodbye("a"),
    )
    async with servers.socket() as ws:
        assert ["a"] == await collect(ws)
    assert [0, 7, 127, 131, 139] == servers.dialled


@pytest.mark.parametrize(
    "asked", ["Retry-After: 3601", "Retry-After: 999999999", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"]
)
async def test_nobody_is_sent_to_sleep_for_years(
    asked: str, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """Whatever an answer asks for, the next attempt comes after an hour."""
    servers = Servers(nursery, answers("503 Service Unavailable", asked), goodbye("a"))
    async with servers.socket() as ws:
        assert ["a"] == await collect(ws)
    assert [0, 3600] == servers.dialled


@pytest.mark.parametrize(
    ("url", "options", "code"),
    [
        ("http://example.test", None, 2302001),
        (URL, {"caPaht": "x"}, 401),
        (URL, {"caPath": "/does/not/exist"}, 2302002),
        (5, None, 401),
    ],
)
async def test_what_is_wrong_with_the_arguments(
    url: Any, options: Any, code: int, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """Nothing is attempted, and no second time."""
    servers = Servers(nursery, polite)
    async with servers.socket({"url": url, "options": options}) as ws:
        with pytest.raises(BusinessError) as caught:
            await ws.wait_connected()

        assert code == caught.value.code
    assert [] == servers.dialled


async def test_a_program_can_judge_otherwise(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """`should_retry` is asked about each failed attempt and each end; its word is the last."""
    asked: list[Exception] = []

    def should_retry(error: Exception) -> bool:
        asked.append(error)
        return len(asked) < 3

    servers = Servers(nursery, answers("403 Forbidden"), goodbye("a"), None)
    async with servers.socket({"should_retry": should_retry}) as ws:
        assert "a" == await ws.receive()
        with pytest.raises(BusinessError, match="nobody listens"):
            await ws.receive()
    assert [UpgradeRefused, EndOfMessages, BusinessError] == list(map(type, asked))
    assert 3 == len(servers.dialled)


async def test_an_end_that_is_final(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """A code that says that it is no use ends iteration as that of a plain socket: it raises."""
    servers = Servers(nursery, goodbye("a", code=1008))
    async with servers.socket() as ws:
        assert "a" == await ws.receive()
        with pytest.raises(ConnectionLost, match="the peer closed with 1008") as caught:
            await collect(ws)
        assert 1008 == caught.value.close_code
        assert (1008, "peer") == ((result := await ws.wait_closed()).code, result.by)
        with pytest.raises(ConnectionLost, match="1008"):
            await ws.send("x")
    assert [0] == servers.dialled


# A server that flaps


async def test_a_flapping_server(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """A server that accepts and hangs up is no success: waits grow, until a connection has lasted."""
    servers = Servers(
        nursery, sends(), sends(after=29), sends(after=29), sends(after=30), sends(), sends("x"), goodbye()
    )
    async with servers.socket({"stable_after": 30}) as ws:
        assert ["x"] == await collect(ws)
    ended = [0, 1 + 29, 32 + 29, 65 + 30, 96, 98]
    waits = [1, 2, 4, 1, 2, 4]

    assert [0, *(end + wait for end, wait in zip(ended, waits, strict=True))] == servers.dialled


async def test_attempts_count_from_the_last_stable_connection(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """The number that functions and states are given begins anew with it."""
    numbers: list[int] = []
    servers = Servers(nursery, None, sends(after=30), None, None, goodbye())

    def url(attempt: int) -> str:
        numbers.append(attempt)
        return URL

    async with servers.socket({"url": url}) as ws:
        await collect(ws)
    assert [1, 2, 1, 2, 3] == numbers


# Fresh tokens


async def test_a_token_that_changes(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """Options and URL are asked for before each attempt, by a sync or an async function."""

    async def url(attempt: int) -> str:
        await trio.sleep(0.25)
        return f"{URL}?attempt={attempt}"

    servers = Servers(nursery, answers("503 Busy"), sends("a"), goodbye("b"))
    tokens = iter(["one", "two", "three"])
    options = {"url": url, "options": lambda attempt: {"header": {"Authorization": next(tokens)}}}
    async with servers.socket(options) as ws:
        assert ["a", "b"] == await collect(ws)

    seen = [peer.request for peer in servers.peers]
    assert [True] * 3 == [
        f"Authorization: {token}".encode() in request
        for token, request in zip(["one", "two", "three"], seen, strict=True)
    ]
    assert [f"{URL}?attempt={n}" for n in (1, 2, 3)] == servers.urls
    assert [0.25, 1.5, 3.75] == servers.dialled


async def test_a_token_that_cannot_be_had(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """The network's errors of the function are transient, too; a mistake comes out of the block, bare."""
    errors: list[Exception] = [ConnectionResetError(), trio.TooSlowError(), KeyError("mistake")]

    def options(attempt: int) -> None:
        raise errors[attempt - 1]

    servers = Servers(nursery, polite)
    with pytest.raises(KeyError, match="mistake"):
        async with servers.socket({"options": options}) as ws:
            statuses = ws.statuses()
            await ws.wait_connected()

    assert [
        Connecting(1),
        Waiting(1, REFUSAL),
        Connecting(2),
        Waiting(2, REFUSAL),
        Connecting(3),
        Stopped(),
    ] == [status async for status in statuses]
    assert [] == servers.dialled


# Statuses


async def follow(ws: ReconnectingWebSocket, into: list[Status]) -> None:
    """Write down every status, to the last."""
    async with ws.statuses() as statuses:
        into.extend([status async for status in statuses])


async def test_statuses(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """Each is told, in order, with what there is to know; the stream ends with the last."""
    servers = Servers(nursery, None, sends("a"), answers("403 Forbidden"))
    seen: list[Status] = []
    async with servers.socket() as ws, trio.open_nursery() as tasks:
        assert Connecting(1) == ws.status
        tasks.start_soon(follow, ws, seen)
        with pytest.raises(UpgradeRefused):
            await collect(ws)

    assert [
        Connecting(1),
        Waiting(1, REFUSAL),
        Connecting(2),
        Connected(2),
        Waiting(2, REFUSAL),
        Connecting(3),
        Stopped(),
    ] == seen
    errors = [status.error for status in seen if isinstance(status, Waiting | Stopped)]
    assert ["nobody listens", "the link is down", "403"] == [
        words
        for words, error in zip(["nobody listens", "the link is down", "403"], errors, strict=True)
        if words in str(error)
    ]
    assert [Stopped()] == [status async for status in ws.statuses()]


async def test_a_stream_of_statuses_that_is_left(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """Nothing is put into it any more; another one goes on, and loses the oldest when nobody reads it."""
    servers = Servers(nursery, None)
    async with servers.socket({"backoff": Backoff(0, 0), "max_attempts": 1000}) as ws:
        lazy = ws.statuses()
        async with ws.statuses() as left:
            assert Connecting(1) == await left.receive()
        with pytest.raises(ConnectionLost, match="by 1000 attempts"):
            await ws.wait_closed()
        with pytest.raises(trio.ClosedResourceError):
            left.receive_nowait()
        rest = [status async for status in lazy]

        assert 256 == len(rest)
        assert Stopped() == rest[-1]
        assert lazy.statistics().dropped > 1000


# Deadline


async def test_it_gives_up_after_a_time(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """When the next attempt would come too late there is no use in waiting for it."""
    servers = Servers(nursery, None)
    began = trio.current_time()
    async with servers.socket({"give_up_after": 10}) as ws:
        with pytest.raises(ConnectionLost, match="no stable connection within 10 s") as caught:
            await ws.receive()

        assert "nobody listens" in str(caught.value.__cause__)
        assert began + 7 == trio.current_time()
    assert [0, 1, 3, 7] == servers.dialled


async def test_an_attempt_ends_with_the_time(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """An attempt that is under way is given up."""
    servers = Servers(nursery, mute)
    began = trio.current_time()
    async with servers.socket({"give_up_after": 10}) as ws:
        with pytest.raises(ConnectionLost, match="no stable connection within 10 s"):
            await ws.wait_connected()
        assert began + 10 == trio.current_time()
    assert all(tap.closed for tap in servers.taps)


async def test_a_connection_is_not_ended_by_the_time(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """It is the time without one; and a flapping server's connections do not count as one."""
    servers = Servers(nursery, sends(after=100), sends(after=8), sends("x"))
    began = trio.current_time()
    async with servers.socket({"give_up_after": 10}, ping_interval=None) as ws:
        with pytest.raises(ConnectionLost, match="within 10 s"):
            await ws.wait_closed()
        assert began + 100 + 1 + 8 == trio.current_time()


async def test_it_gives_up_after_attempts(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """So many in a row, and no more."""
    servers = Servers(nursery, None, sends("a", after=30), None)
    async with servers.socket({"max_attempts": 2}) as ws:
        assert "a" == await ws.receive()
        with pytest.raises(ConnectionLost, match="no stable connection by 2 attempts"):
            await ws.receive()
    assert 4 == len(servers.dialled)


# on_connected


async def test_on_connected_comes_first(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """It is awaited before what was kept is sent and before anybody else receives, at each connection."""
    servers: Servers
    seen: list[tuple[int, object]] = []
    frames: list[list[str]] = []

    def login(then: Callable[[Peer], Awaitable[object]]) -> Callable[[Peer], Awaitable[None]]:
        async def serve(peer: Peer) -> None:
            await peer.accept()
            got = [await peer.receive()]
            await peer.send(frame(TEXT, "welcome"), frame(TEXT, "news"))
            got.append(await peer.receive())
            frames.append(texts([one for one in got if one]))
            await then(peer)

        return serve

    async def hang_up(peer: Peer) -> None:
        await peer.stream.aclose()

    async def bye(peer: Peer) -> None:
        await peer.close()

    async def on_connected(connection: Connection) -> None:
        await connection.send(f"login {connection.attempt}")
        assert not isinstance(ws.status, Connected)
        seen.append((connection.attempt, await connection.receive()))
        assert connection.subprotocol is None
        assert "websocket" == connection.response_headers["upgrade"]
        kept.append(connection)

    kept: list[Connection] = []
    servers = Servers(nursery, login(hang_up), login(bye))
    async with servers.socket({"on_connected": on_connected}) as ws:
        await ws.send("first")
        assert "news" == await ws.receive()
        await trio.sleep(0.5)
        await ws.send("second")
        assert ["news"] == await collect(ws)
        for call in (lambda: kept[0].send("x"), kept[0].receive, kept[0].flush, kept[0].ping):
            with pytest.raises(RuntimeError, match="on_connected's"):
                await call()

    assert [(1, "welcome"), (2, "welcome")] == seen
    assert [["login 1", "first"], ["login 2", "second"]] == frames


async def test_many_unread_messages(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """They come in order, and others have their turn meanwhile."""
    numbers = [str(n) for n in range(200)]
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with Servers(nursery, sends(*numbers), None).socket() as ws, trio.open_nursery() as tasks:
        await trio.sleep(0.5)
        tasks.start_soon(count)
        assert numbers == [await ws.receive() for _ in numbers]
        assert 2 <= turns <= 4
        tasks.cancel_scope.cancel()


async def test_what_was_unread_is_not_what_on_connected_receives(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """It gets this connection's messages only; those of the last one are still to be received, first."""
    servers = Servers(nursery, sends("old 1", "old 2"), goodbye("hello", "new"))
    greetings = []

    async def on_connected(connection: Connection) -> None:
        if connection.attempt == 2:
            greetings.append(await connection.receive())

    async with servers.socket({"on_connected": on_connected}) as ws:
        await trio.sleep(5)

        assert ["old 1", "old 2", "new"] == await collect(ws)
        assert ["hello"] == greetings


async def test_on_connected_may_be_a_plain_function(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """It need not be async, and it may use the connection's flush and ping if it is."""
    numbers: list[int] = []
    servers = Servers(nursery, None, goodbye())
    async with servers.socket({"on_connected": lambda connection: numbers.append(connection.attempt)}) as ws:
        await collect(ws)
    assert [2] == numbers

    async def measure(connection: Connection) -> None:
        await connection.send("x")
        await connection.flush()
        numbers.append(int(await connection.ping()))

    async with Servers(nursery, Keeper()).socket({"on_connected": measure}) as ws:
        await ws.wait_connected()
        assert [2, 0] == numbers


async def test_on_connected_is_cancelled_with_its_connection(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """A connection that ends before it is through is as any that ends: another one is made."""
    cancelled = 0

    async def on_connected(connection: Connection) -> None:
        nonlocal cancelled
        try:
            if connection.attempt == 1:
                await trio.sleep_forever()
            if connection.attempt == 2:
                while True:
                    await connection.receive()
        except trio.Cancelled:
            cancelled += 1
            raise

    servers = Servers(nursery, sends("a"), sends("b", "c"), goodbye("d"))
    async with servers.socket({"on_connected": on_connected}) as ws:
        assert ["a", "d"] == await collect(ws)
    assert 1 == cancelled
    assert [0, 1, 3] == servers.dialled


@pytest.mark.parametrize("error", [ValueError("mine"), BusinessError(401, "mine")], ids=repr)
async def test_what_on_connected_raises_comes_out_bare(
    error: Exception, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """It ends the block, and the server gets its goodbye."""
    keeper = Keeper()

    def on_connected(connection: Connection) -> None:
        raise error

    with pytest.raises(type(error), match="mine") as caught:
        async with Servers(nursery, keeper).socket({"on_connected": on_connected}) as ws:
            await collect(ws)

    assert caught.value is error
    assert [Frame(CLOSE, b"\x03\xe9")] == keeper.frames


# Sending


async def test_keep(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """What is sent while there is no connection is sent by the next, in order, before what comes then."""
    keeper = Keeper()
    servers = Servers(nursery, None, keeper)
    reply = Reply()
    async with servers.socket() as ws:
        assert await ws.send("a") is True
        ws.send_nowait(b"b")
        ws.send("c", reply)
        buffer = bytearray(b"d")
        await ws.send(buffer)
        buffer[0] = 0
        assert isinstance(ws.status, Connecting)
        await ws.flush()
        await trio.testing.wait_all_tasks_blocked()
        assert [b"a", b"b", b"c", b"d"] == [one.payload for one in keeper.frames]
        assert [(None, True)] == reply.calls
        await ws.send("e")
    assert b"e" == keeper.frames[4].payload
    assert [0, 1] == servers.dialled


@pytest.mark.parametrize("_again", range(4))  # Trio wakes those who wait in either order, by chance
async def test_keep_is_bounded(_again: int, nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """Above `send_buffer` sending waits, in order, until there is a connection."""
    keeper = Keeper()
    servers = Servers(nursery, None, None, keeper)
    reply = Reply()
    async with servers.socket(send_buffer=100) as ws, trio.open_nursery() as senders:
        await ws.send("a" * 60)
        await ws.send("b" * 60)
        with pytest.raises(trio.WouldBlock):
            ws.send_nowait("x")
        ws.send("x", reply)
        await reply.called.wait()
        assert [(2302999, None)] == reply.calls
        for letter in "cdef":
            senders.start_soon(ws.send, letter * 60)
            await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.WouldBlock):
            ws.send_nowait("y")
        with trio.move_on_after(0.5) as scope:
            await ws.send("cancelled")
        assert scope.cancelled_caught
        assert trio.current_time() < 1
    assert ["a", "b", "c", "d", "e", "f"] == [text[0] for text in texts(keeper.frames)]


async def test_what_was_not_written_is_sent_again(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """A message that the connection had queued when the link broke goes out with the next, once."""
    keeper = Keeper()
    servers = Servers(nursery, Keeper(), keeper)
    async with servers.socket() as ws:
        await ws.wait_connected()
        await ws.send("written")
        await ws.flush()
        servers.taps[0].stuck = True
        for n in range(3):
            await ws.send(f"queued {n}")
            await trio.testing.wait_all_tasks_blocked()
        servers.taps[0].reset()
        await ws.send("later")
        await ws.flush()
        await trio.testing.wait_all_tasks_blocked()
        assert ["queued 0", "queued 1", "queued 2", "later"] == texts(keeper.frames)


async def test_a_write_that_fails(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """What it was to write is kept, and who sends meanwhile is not told."""
    keeper = Keeper()
    servers = Servers(nursery, Keeper(answers=False), keeper)
    async with servers.socket() as ws:
        await ws.wait_connected()
        servers.taps[0].write_error = trio.BrokenResourceError("reset")
        await ws.send("a")
        await trio.testing.wait_all_tasks_blocked()
        await ws.send("b")
        ws.send_nowait("c")
        await ws.flush()
        await trio.testing.wait_all_tasks_blocked()
        assert ["a", "b", "c"] == texts(keeper.frames)


async def test_a_sender_who_waits_survives_the_connection(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """One that waited for room in a connection that ended sends by the next."""
    keeper = Keeper()
    servers = Servers(nursery, Keeper(), keeper)
    async with servers.socket(send_buffer=10) as ws, trio.open_nursery() as senders:
        await ws.wait_connected()
        servers.taps[0].stuck = True
        for letter in "abc":
            senders.start_soon(ws.send, letter * 20)
            await trio.testing.wait_all_tasks_blocked()
        servers.taps[0].reset()
    assert ["a", "b", "c"] == [text[0] for text in texts(keeper.frames)]


async def test_sending_in_the_moment_of_the_end(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """A `close` listener hears of it before anybody else does; what it sends is for the next connection."""
    keeper = Keeper()
    reply = Reply()

    def on_close(err: None, value: object) -> None:
        ws.send_nowait("a")
        ws.send("b", reply)

    async with Servers(nursery, sends(), keeper).socket() as ws:
        ws.once("close", on_close)
        await ws.wait_connected()
        await trio.sleep(0.5)
        await ws.wait_connected()
        ws.send("c", reply)
    assert ["a", "b", "c"] == texts(keeper.frames)
    assert [(None, True)] * 2 == reply.calls


async def test_drop(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """What is sent while there is no connection is lost, and `send` says so."""
    keeper = Keeper()
    reply = Reply()
    async with Servers(nursery, None, keeper).socket({"outbox": "drop"}) as ws:
        assert await ws.send("a") is False
        ws.send_nowait("b")
        ws.send("c", reply)
        with pytest.raises(BusinessError):
            await ws.flush()
        await ws.wait_connected()
        assert await ws.send("d") is True
    assert ["d"] == texts(keeper.frames)
    assert [(None, False)] == reply.calls


async def test_fail(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """What is sent while there is no connection is an error, at once."""
    keeper = Keeper()
    reply = Reply()
    async with Servers(nursery, None, keeper).socket({"outbox": "fail"}) as ws:
        with pytest.raises(ConnectionLost, match="no connection at this moment"):
            await ws.send("a")
        with pytest.raises(ConnectionLost):
            ws.send_nowait("b")
        ws.send("c", reply)
        await ws.wait_connected()
        await ws.send("d")
    assert ["d"] == texts(keeper.frames)
    assert [(2302999, None)] == reply.calls


@pytest.mark.parametrize("outbox", ["keep", "drop", "fail"])
async def test_what_cannot_be_sent_at_all(
    outbox: str, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """A wrong type is 401 whatever the policy, and whether there is a connection or not."""
    wrong: Any = 5
    async with Servers(nursery, None, polite).socket({"outbox": outbox}) as ws:
        for _ in range(2):
            reply = Reply()
            ws.send(wrong, reply)
            with pytest.raises(BusinessError, match="must be str or bytes"):
                await ws.send(wrong)
            with pytest.raises(BusinessError, match="must be str or bytes"):
                ws.send_nowait(wrong)
            await reply.called.wait()
            assert [(401, None)] == reply.calls
            await ws.wait_connected()


async def test_flush_with_nothing_to_flush(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """Without a connection and without a message there is nothing to wait for."""
    began = trio.current_time()
    async with Servers(nursery, None, polite).socket() as ws:
        await ws.flush()
        assert began == trio.current_time()


# Listeners


async def test_listeners_outlive_connections(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """Callbacks and streams hear all connections, messages too; streams end when it has stopped."""
    servers = Servers(nursery, sends("a"), None, goodbye("b"))
    async with servers.socket() as ws:
        journal = Journal(ws)
        messages, closes = ws.subscribe("message"), ws.subscribe("close")
        assert 1000 == (await ws.wait_closed()).code
        assert ["a", "b"] == [message async for message in messages]
        assert [1006, 1000] == [(await closes.receive()).code for _ in range(2)]

    first = [
        *CONNECTED,
        ("message", "a"),
        ("dataEnd",),
        ("error", 200, "0"),
        ("close", 1006, "The link is down"),
    ]
    second = [("error", 200, "0"), *CONNECTED, ("message", "b"), ("dataEnd",), ("close", 1000, "")]
    assert first + second == journal.entries


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize("seconds", [0.5, 1.5, 10], ids=["waiting", "connecting", "connected"])
async def test_a_callback_gets_what_is_unread(
    sync: bool, seconds: float, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """One that comes late gets what earlier connections brought, in order, before what is new."""
    got: list[str] = []

    async def append(err: None, message: str) -> None:
        await trio.sleep(0.01)
        got.append(message)

    async def late(peer: Peer) -> None:
        await peer.read_request()
        await trio.sleep(2)
        await peer.send(peer.answer(), frame(TEXT, "c"))
        await trio.sleep(50)
        await peer.send(frame(TEXT, "d"))
        await peer.close()

    servers = Servers(nursery, sends("a", "b"), late)
    async with servers.socket() as ws:
        await trio.sleep(seconds)
        ws.on("message", (lambda err, message: got.append(message)) if sync else append)
        with pytest.raises(RuntimeError, match="callback gets the messages"):
            await ws.receive()
        await ws.wait_closed()
    assert ["a", "b", "c", "d"] == got


async def test_a_backlog_that_outlives_its_connection(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """A slow callback that came late gets all of it, in order, before what the next connection brings."""
    numbers = [str(n) for n in range(600)]
    got: list[str] = []

    async def append(err: None, message: str) -> None:
        await trio.sleep(0.1)
        got.append(message)

    servers = Servers(nursery, sends(*numbers, after=5), goodbye("last"))
    async with servers.socket(receive_buffer=(1000, 100000)) as ws:
        await trio.sleep(1)
        ws.on("message", append)
        await ws.wait_closed()
        assert len(got) < 600
    assert [*numbers, "last"] == got


async def test_once_leaves_the_rest(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """A callback for one message takes one of those that are unread; the rest is received, in order."""
    got: list[str] = []
    servers = Servers(nursery, sends("a", "b"), goodbye("c"))
    async with servers.socket() as ws:
        await trio.sleep(0.5)
        ws.once("message", lambda err, message: got.append(message))
        await trio.sleep(0.1)
        assert ["b", "c"] == await collect(ws)
    assert ["a"] == got


async def test_who_waits_is_told_that_a_callback_came(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """A task that waits for a message while there is no connection does not wait in vain."""
    async with Servers(nursery, None).socket() as ws:

        async def wait() -> None:
            with pytest.raises(RuntimeError, match="callback gets the messages"):
                await ws.receive()

        async with trio.open_nursery() as tasks:
            tasks.start_soon(wait)
            await trio.sleep(0.5)
            with pytest.raises(trio.BusyResourceError):
                await ws.receive()
            ws.on("message", lambda err, message: None)


async def test_a_backlog_that_nobody_reads(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    """What one connection brought delays nothing; what several did, does, until somebody reads."""
    servers = Servers(nursery, *[sends(*"abcd")] * 9, goodbye("e"))
    async with servers.socket({"backoff": Backoff(1, 1, jitter=lambda: 1)}, receive_buffer=(4, 1000)) as ws:
        await trio.sleep(1000)
        assert [0, 1] == servers.dialled
        assert "until somebody receives" in caplog.text
        assert [*"abcd" * 9, "e"] == await collect(ws)


async def test_receive_buffer_none(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """Without a queue there is nothing to receive, on any connection, and nothing piles up."""
    servers = Servers(nursery, sends("a"), goodbye("b"))
    async with servers.socket(receive_buffer=None) as ws:
        await ws.wait_connected()
        with pytest.raises(RuntimeError, match="receive_buffer=None"):
            await ws.receive()
        await ws.wait_closed()
    assert 2 == len(servers.dialled)


async def test_what_a_callback_raises_comes_out_bare(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """It ends the block, and nothing reconnects."""

    def fail(err: None, message: str) -> None:
        raise ValueError(message)

    servers = Servers(nursery, sends("a"), Keeper(then=frame(TEXT, "b")))
    with pytest.raises(ValueError, match="b"):
        async with servers.socket() as ws:
            await ws.receive()
            ws.on("message", fail)
            await trio.sleep_forever()
    assert 2 == len(servers.dialled)


# Closing


async def test_close(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """It closes the connection as a plain socket, and no other is made."""
    keeper = Keeper()
    servers = Servers(nursery, keeper)
    async with servers.socket() as ws:
        await ws.wait_connected()
        await ws.send("x")
        assert await ws.close({"code": 3001, "reason": "done"}) is True
        assert Stopped() == ws.status
        assert (3001, "done", True) == ((result := await ws.wait_closed()).code, result.reason, result.clean)
        assert [] == await collect(ws)
        with pytest.raises(AlreadyClosed):
            await ws.send("x")
        with pytest.raises(BusinessError, match="closed already"):
            await ws.close()
        await ws.aclose()
    assert [Frame(TEXT, b"x"), Frame(CLOSE, b"\x0b\xb9done")] == keeper.frames
    assert [0] == servers.dialled


@pytest.mark.parametrize("form", ["close", "callback", "aclose"])
@pytest.mark.parametrize("seconds", [0, 0.5, 1.5], ids=["at once", "waiting", "connecting"])
async def test_close_without_a_connection(
    form: str, seconds: float, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """It stops at once, whatever it was doing; iteration ends, and sending is over."""
    servers = Servers(nursery, None, mute)
    async with servers.socket() as ws:
        began = trio.current_time()
        if seconds:
            await trio.sleep(seconds)
        if form == "close":
            await ws.close({"code": 3001})
        elif form == "aclose":
            await ws.aclose()
        else:
            reply = Reply()
            ws.close(reply)
            await reply.called.wait()
            assert [(None, True)] == reply.calls
        assert began + seconds == trio.current_time()
        assert Stopped() == ws.status
        assert [] == await collect(ws)
        with pytest.raises(AlreadyClosed):
            await ws.send("x")
        with pytest.raises(AlreadyClosed):
            await ws.wait_connected()
        assert (3001 if form == "close" else 1000, "local") == (
            (result := await ws.wait_closed()).code,
            result.by,
        )
        await ws.aclose()
    await trio.sleep(1000)
    assert 2 >= len(servers.dialled)
    assert all(tap.closed for tap in servers.taps)


async def test_close_wakes_who_waits(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """Receivers end, senders and flushers are told that the program itself closed."""
    async with Servers(nursery, None).socket(send_buffer=1) as ws, trio.open_nursery() as tasks:
        ended = 0

        async def ends(call: Callable[[], Awaitable[object]], kind: type[Exception]) -> None:
            nonlocal ended
            with pytest.raises(kind):
                await call()
            ended += 1

        await ws.send("kept")
        tasks.start_soon(ends, ws.receive, EndOfMessages)
        tasks.start_soon(ends, lambda: ws.send("x"), AlreadyClosed)
        tasks.start_soon(ends, ws.flush, AlreadyClosed)
        tasks.start_soon(ends, ws.wait_connected, AlreadyClosed)
        await trio.sleep(0.5)
        await ws.aclose()
    assert 4 == ended


async def test_closing_within_on_connected(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """It does not wait for itself: the connection is dropped, and that was the last."""

    async def on_connected(connection: Connection) -> None:
        await ws.close()

    servers = Servers(nursery, polite)
    async with servers.socket({"on_connected": on_connected}) as ws:
        assert "local" == (await ws.wait_closed()).by
    assert [0] == servers.dialled


async def test_closing_while_the_peer_closes(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """It joins the end that is under way, and is the last."""

    async def slow(peer: Peer) -> None:
        await peer.accept(then=close_frame(1012))
        await peer.receive()
        await trio.sleep(5)
        await peer.stream.aclose()

    servers = Servers(nursery, slow)
    async with servers.socket() as ws:
        await trio.sleep(1)
        assert "closing" == ws.state
        async with trio.open_nursery() as tasks:
            tasks.start_soon(ws.aclose)
            tasks.start_soon(ws.aclose)
        assert 5 == trio.current_time()
        assert (1012, "peer") == ((result := await ws.wait_closed()).code, result.by)
        with pytest.raises(ConnectionLost, match="1012"):
            await ws.receive()
    assert [0] == servers.dialled


async def test_closing_in_a_cancelled_scope(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """Before anything began, too, that is the end of it."""
    async with Servers(nursery, polite).socket() as ws:
        with trio.CancelScope() as scope:
            scope.cancel()
            await ws.aclose()
        assert scope.cancelled_caught
        assert "local" == (await ws.wait_closed()).by


async def test_a_cancelled_body_can_still_close(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """It says its own last word; and is told that there is nothing to wait for."""
    keeper = Keeper()
    servers = Servers(nursery, keeper)

    async def on_connected(connection: Connection) -> None:
        await trio.sleep_forever()

    with trio.move_on_after(5):
        async with servers.socket({"on_connected": on_connected}) as ws:
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    with pytest.raises(AlreadyClosed, match="being left"):
                        await ws.wait_connected()
                    assert await ws.close({"code": 3001}) is True
                    await ws.aclose()
    with pytest.raises(BusinessError, match="closed already"):
        await ws.close()
    assert [Frame(CLOSE, b"\x0b\xb9")] == keeper.frames


async def test_connect_is_not_for_the_program(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """There is a connection already, or there will be."""
    async with Servers(nursery, polite).socket() as ws:
        with pytest.raises(BusinessError, match="connects by itself") as caught:
            await ws.connect(URL)

        assert 2302003 == caught.value.code


async def test_leaving_before_there_was_a_connection(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """It takes no time."""
    began = trio.current_time()
    async with Servers(nursery, None).socket() as ws:
        assert isinstance(ws, WebSocket)
    assert began == trio.current_time()
    assert Stopped() == ws.status


async def test_the_whole_of_it(websocket_network: MemoryNetwork, autojump_clock: MockClock) -> None:
    """As a program uses it: one function, and a network that it knows nothing of."""

    async def on_connected(connection: Connection) -> None:
        await connection.send(f"subscribe {connection.attempt}")

    async def program() -> None:
        async with open_reconnecting(
            URL,
            lambda attempt: {"header": {"Authorization": f"token {attempt}"}},
            backoff=WHOLE,
            on_connected=on_connected,
            connect_timeout=5,
        ) as ws:
            async for message in ws:
                await ws.send(f"got {message!r}")

    async with trio.open_nursery() as tasks:
        tasks.start_soon(program)
        await websocket_network.refuse()
        request = await websocket_network.reject(429, headers=[("Retry-After", "30")])
        assert "token 2" == request.headers["authorization"]
        peer = await websocket_network.accept()
        await peer.expect("subscribe 3")
        await peer.send("one")
        await peer.expect("got 'one'")
        peer.reset()
        stalled = await websocket_network.next_peer()
        await stalled.wait_closed()
        peer = await websocket_network.accept()
        await peer.expect("subscribe 5")
        await peer.send(b"two")
        await peer.expect("got b'two'")
        await peer.close(1000)
    assert [0, 1, 31, 35, 48] == [peer.dialled_at for peer in websocket_network.peers]


async def test_arguments_are_checked(autojump_clock: MockClock) -> None:
    """What is of a wrong type or out of range is refused before anything begins."""
    wrong_ones: list[tuple[type[Exception], dict[str, Any]]] = [
        (TypeError, {"backoff": 1}),
        (TypeError, {"should_retry": True}),
        (TypeError, {"on_connected": "x"}),
        (TypeError, {"stable_after": "1"}),
        (TypeError, {"give_up_after": True}),
        (ValueError, {"outbox": "hold"}),
        (ValueError, {"stable_after": -1}),
        (ValueError, {"give_up_after": float("nan")}),
        (ValueError, {"max_attempts": 0}),
        (TypeError, {"no_such_setting": 1}),
    ]
    for kind, arguments in wrong_ones:
        with pytest.raises(kind):
            async with open_reconnecting(URL, **arguments):
                raise AssertionError("it began")


# Cancelled at every step


async def test_cancelled_at_every_step(autojump_clock: MockClock) -> None:
    """Whatever it is doing, the block ends, nothing remains, and what went over the wire is whole."""

    async def scenario(ws: ReconnectingWebSocket, got: list[object]) -> None:
        async with ws:
            await ws.send("a")
            got.append(await ws.receive())
            await ws.send("b")
            got.append(await ws.receive())
            await ws.flush()
            await ws.close()

    async def greet(connection: Connection) -> None:
        await connection.send("hello")

    async def attempt(step: int) -> Canceller:
        async with trio.open_nursery() as nursery:
            servers = Servers(nursery, None, sends("one", after=5), Keeper(then=frame(TEXT, "two")))
            ws = servers.socket({"on_connected": greet})
            got: list[object] = []
            with cancelled_after(step) as canceller:
                await scenario(ws, got)

            assert ["one", "two"][: len(got)] == got
            assert Stopped() == ws.status or not canceller.taken
            assert all(tap.closed for tap in servers.taps)
            for tap in servers.taps:
                assert {"hello", "a", "b"} >= set(texts(tap.frames()))
        return canceller

    await at_every_step(attempt, at_least=40)


async def test_a_receive_that_is_cancelled_at_every_step(autojump_clock: MockClock) -> None:
    """No message is lost, and none is handed twice."""

    async def attempt(step: int) -> Canceller:
        async with trio.open_nursery() as nursery:
            servers = Servers(nursery, sends("a", "b"), None, sends("c"), goodbye("d"))
            got: list[str | bytes] = []
            async with servers.socket() as ws:
                with cancelled_after(step) as canceller:
                    async for message in ws:
                        got.append(message)  # noqa: PERF401  # as above
                got += await collect(ws)
            assert ["a", "b", "c", "d"] == got
        return canceller

    await at_every_step(attempt, at_least=20)


async def test_a_send_that_is_cancelled_at_every_step(autojump_clock: MockClock) -> None:
    """Cancelled, the message was not queued; returned, it is sent once; the others keep their order."""

    async def attempt(step: int) -> Canceller:
        async with trio.open_nursery() as nursery:
            keeper = Keeper()
            servers = Servers(nursery, None, keeper)
            async with servers.socket(send_buffer=1) as ws:
                await ws.send("before")
                sent = False
                with cancelled_after(step) as canceller:
                    sent = await ws.send("mine")
                await ws.send("after")
                await ws.flush()
            assert ["before", *(["mine"] if sent else []), "after"] == texts(keeper.frames)
            assert sent is not canceller.caught
        return canceller

    await at_every_step(attempt, at_least=10)


async def test_close_that_is_cancelled(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """The connection is dropped at once, and no other is made."""
    servers = Servers(nursery, Keeper(answers=False))
    async with servers.socket() as ws:
        await ws.wait_connected()
        began = trio.current_time()
        with trio.move_on_after(1) as scope:
            await ws.close()
        assert scope.cancelled_caught
        assert began + 1 == trio.current_time()
        assert (1000, False) == ((result := await ws.wait_closed()).code, result.clean)
    assert [0] == servers.dialled
