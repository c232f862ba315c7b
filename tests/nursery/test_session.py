"""A session from the first packet to the last event, and whatever may interrupt it."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import count, pairwise
from typing import Literal

import pytest
import trio
import trio.testing

from tests.descriptors import open_descriptors
from tests.journal import CONNECTED, Journal
from tests.nursery.loopback import TcpNetwork, reset, serve
from tests.scripted_peer import CLOSE, PING, TEXT, URL, Frame, Network, Peer, close_frame, frame
from tests.tap import TappedNetwork
from trio_ohws import AlreadyClosed, BusinessError, CloseResult, ConnectionLost, EndOfMessages, WebSocket
from trio_ohws.errors import UNKNOWN_ERROR
from trio_ohws.nursery.session import UpgradeRequest
from trio_ohws.nursery.state import TRANSITIONS, State
from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.settings import Settings
from trio_ohws.url import WebSocketURL

Clock = trio.testing.MockClock

GOODBYE = Frame(CLOSE, b"\x03\xe8")
LEAVING = Frame(CLOSE, b"\x03\xe9")


async def settle() -> None:
    """Let all tasks run as far as they can."""
    await trio.testing.wait_all_tasks_blocked()


async def hospitable(peer: Peer) -> None:
    """A polite server that does not mind if the client goes away during the handshake."""
    try:
        await peer.accept()
    except (AssertionError, trio.BrokenResourceError):
        return
    try:
        await peer.serve_politely()
    except trio.BrokenResourceError:
        return


async def mute(peer: Peer) -> None:
    """A server that accepts, then neither reads nor writes."""
    await peer.accept()
    await trio.sleep_forever()


async def deaf(peer: Peer) -> None:
    """A server that accepts and reads, but never says anything."""
    await peer.accept()
    await peer.receive_all()
    await trio.sleep_forever()


# Cancelling connect, at every step


class CancelAtStep(trio.abc.Instrument):
    """Cancels a scope when so many steps of any tasks have been made.

    Args:
        scope: what is cancelled.
        step: the first is 1.
    """

    def __init__(self, scope: trio.CancelScope, step: int) -> None:
        self.scope = scope
        self.step = step
        self.steps = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """A task is going to run."""
        self.steps += 1
        if self.steps == self.step:
            self.scope.cancel()


@contextmanager
def cancelled_at(step: int) -> Iterator[CancelAtStep]:
    """Cancel the block at a step of the scheduler."""
    with trio.CancelScope() as scope:
        instrument = CancelAtStep(scope, step)
        trio.lowlevel.add_instrument(instrument)
        try:
            yield instrument
        finally:
            trio.lowlevel.remove_instrument(instrument)


class CarefulNetwork(Network):
    """A `Network` that can be cancelled while it dials only before it has opened anything."""

    async def dial(self, url: WebSocketURL, options: WebSocketRequestOptions) -> trio.abc.Stream:
        """Open a connection."""
        await trio.lowlevel.checkpoint()
        with trio.CancelScope(shield=True):
            stream = await super().dial(url, options)
        return stream  # noqa: RET504  # inside, mypy would miss a return: the scope might swallow


def living_tasks() -> int:
    """Count the tasks of this run."""
    return trio.lowlevel.current_statistics().tasks_living


async def server(
    network: str, script: Callable[[Peer], Awaitable[object]], nursery: trio.Nursery
) -> tuple[str, Callable[[], WebSocket]]:
    """Return a URL, and what makes sockets that connect there, over memory or by the real dialler."""
    if network == "tcp":
        url = await serve(script, nursery)
        await settle()
        return url, WebSocket
    return URL, CarefulNetwork(script, nursery).websocket


@pytest.mark.parametrize("network", ["memory", "tcp"])
async def test_connect_cancelled_at_any_step(nursery: trio.Nursery, network: str) -> None:
    """Either it is cancelled, nothing was told and nothing remains; or open was told, and it returns True.

    Whichever it is, the same object can be used afterwards.
    """
    url, make = await server(network, hospitable, nursery)
    outcomes: list[bool] = []
    files = open_descriptors()
    for step in count(1):
        async with make() as ws:
            journal = Journal(ws)
            await settle()
            tasks = living_tasks()
            connected = False
            with cancelled_at(step) as instrument:
                connected = await ws.connect(url)
            outcomes.append(connected)
            if not connected:
                assert instrument.scope.cancelled_caught
                assert [] == journal.entries
                assert ws.state in ("idle", "closed")
                await settle()
                assert tasks == living_tasks()
                assert open_descriptors() <= files
                assert await ws.connect(url)
            assert CONNECTED == journal.entries
            assert await ws.send("still usable")
        assert ("close", 1000, "") == journal.entries[-1]
        await settle()
        assert open_descriptors() <= files
        if instrument.steps < step:
            break

    assert outcomes[-1]
    assert len(outcomes) - sum(outcomes) > 5


@pytest.mark.parametrize("network", ["memory", "tcp"])
async def test_a_whole_life_cancelled_at_any_step(nursery: trio.Nursery, network: str) -> None:
    """Connecting, sending, receiving, leaving, cancelled anywhere: nothing remains, nothing else comes out.

    If open was told, exactly one close event is; and the scope that was cancelled is the one that ends.
    """

    async def script(peer: Peer) -> None:
        try:
            await peer.accept(then=frame(TEXT, "one"))
        except (AssertionError, trio.BrokenResourceError):
            return
        try:
            await peer.serve_politely()
        except trio.BrokenResourceError:
            return

    url, make = await server(network, script, nursery)
    files, tasks = open_descriptors(), living_tasks()
    for step in count(1):
        done = False
        with cancelled_at(step):
            async with make() as ws:
                journal = Journal(ws, but=("message", "dataEnd"))
                await ws.connect(url)
                await ws.send("x" * 1000)
                assert "one" == await ws.receive()
                await ws.flush()
            done = True
        await settle()
        assert open_descriptors() <= files
        assert tasks == living_tasks()
        assert journal.names() in ([], ["headerReceive", "open", "close"])
        if done:
            break

    assert step > 20


# The last moment to cancel connect


async def test_a_listener_cancels_the_scope_around_connect(nursery: trio.Nursery) -> None:
    """An `open` listener that cancels is too late: connect returns True, and the connection is open."""
    async with Network(hospitable, nursery).websocket() as ws:
        journal = Journal(ws)
        with trio.CancelScope() as scope:
            ws.on("open", lambda err, value: scope.cancel())
            connected = await ws.connect(URL)
            assert "open" == ws.state
            with pytest.raises(trio.Cancelled):
                await ws.send("x")

        assert connected
        assert await ws.send("x")
    assert [*CONNECTED, ("close", 1000, "")] == journal.entries


async def test_a_listener_cancels_the_scope_around_the_socket(nursery: trio.Nursery) -> None:
    """The body is cancelled at its next checkpoint, and says goodbye."""
    received: list[Frame] = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        received.extend(await peer.serve_politely())

    with trio.CancelScope() as scope:
        async with Network(script, nursery).websocket() as ws:
            ws.on("open", lambda err, value: scope.cancel())
            assert await ws.connect(URL)
            await trio.lowlevel.checkpoint()

    await settle()
    assert scope.cancelled_caught
    assert [LEAVING] == received


async def test_a_listener_closes_in_open(nursery: trio.Nursery) -> None:
    """An `open` listener may close; connect returns True, and its caller finds the socket closing."""
    async with Network(hospitable, nursery).websocket() as ws:
        journal = Journal(ws)
        ws.on("open", lambda err, value: ws.close({"code": 3001}, lambda err, value: None))
        assert await ws.connect(URL)
        with pytest.raises(AlreadyClosed):
            await ws.send("x")
        await ws.wait_closed()

    assert [*CONNECTED, ("close", 3001, "")] == journal.entries


@pytest.mark.parametrize("event", ["headerReceive", "open"])
async def test_a_listener_raises_before_connect_returns(
    nursery: trio.Nursery, event: Literal["headerReceive", "open"]
) -> None:
    """The connection ends by 1001, and the exception comes out of the block."""

    def fail(*_: object) -> None:
        raise ValueError("mine")

    closed: list[CloseResult] = []
    with pytest.raises(ValueError, match="mine"):
        async with Network(hospitable, nursery).websocket() as ws:
            ws.on(event, fail)
            ws.on("close", lambda err, value: closed.append(value))
            await ws.connect(URL)
            await trio.sleep_forever()

    assert [CloseResult(1001, "", True, "local")] == closed


# Giving up an attempt


async def silent(peer: Peer) -> None:
    """A server that reads the request, and waits for the client to leave."""
    await peer.read_request()
    assert not await peer.receive_all()


@pytest.mark.parametrize("way", ["close", "aclose"])
async def test_closing_while_connecting_gives_up(nursery: trio.Nursery, way: str) -> None:
    """The attempt raises 2302999 in its own task, tells no event, and releases the socket at once."""
    network = TappedNetwork(silent, nursery)
    errors: list[BusinessError] = []

    async with network.websocket() as ws:
        journal = Journal(ws)

        async def attempt() -> None:
            with pytest.raises(BusinessError, match="closed while") as caught:
                await ws.connect(URL)
            errors.append(caught.value)

        async with trio.open_nursery() as attempts:
            attempts.start_soon(attempt)
            await settle()
            assert "connecting" == ws.state
            await (ws.close() if way == "close" else ws.aclose())
            assert "closed" == ws.state
            assert network.taps[0].closed

    assert [UNKNOWN_ERROR] == [error.code for error in errors]
    assert [] == journal.entries


async def test_leaving_while_connecting_gives_up(nursery: trio.Nursery) -> None:
    """A body that ends while its callback form of connect is under way does not wait for it."""
    network = TappedNetwork(silent, nursery)
    replies: list[object] = []
    async with network.websocket() as ws:
        journal = Journal(ws)
        ws.connect(URL, lambda err, value: replies.append(err.code))
        await settle()

    assert ([UNKNOWN_ERROR], []) == (replies, journal.entries)
    assert network.taps[0].closed


@pytest.mark.parametrize(
    ("error", "code", "data", "told"),
    [
        (OSError(5, "no luck"), UNKNOWN_ERROR, "0", [("error", 200, "0")]),
        (BusinessError(UNKNOWN_ERROR, "why", "407"), UNKNOWN_ERROR, "407", [("error", 200, "407")]),
        (BusinessError(UNKNOWN_ERROR, "why"), UNKNOWN_ERROR, None, [("error", 200, "0")]),
        (BusinessError(201, "why"), 201, None, []),
        (BusinessError(2302002, "why"), 2302002, None, []),
        (BusinessError(2302998, "why"), 2302998, None, []),
    ],
    ids=["OSError", "status", "no status", "permission", "certificate", "domain"],
)
async def test_what_dialling_raises(
    error: Exception, code: int, data: str | None, told: list[tuple[object, ...]]
) -> None:
    """A BusinessError comes out as it is, an OSError as 2302999; only 2302999 is told as an event."""

    async def fail(url: WebSocketURL, options: WebSocketRequestOptions) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise error

    async with WebSocket(Settings(), dial=fail) as ws:
        journal = Journal(ws)
        with pytest.raises(BusinessError) as caught:
            await ws.connect(URL)

        assert (code, data) == (caught.value.code, caught.value.data)
        assert error in (caught.value, caught.value.__cause__)
        assert ("closed", told) == (ws.state, journal.entries)


async def test_what_dialling_should_not_raise() -> None:
    """Any other exception comes out of connect as it is, and leaves the socket usable."""

    async def fail(url: WebSocketURL, options: WebSocketRequestOptions) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    async with WebSocket(Settings(), dial=fail) as ws:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await ws.connect(URL)

        assert "closed" == ws.state


async def test_dialling_counts_for_connect_timeout(autojump_clock: Clock) -> None:
    """The timeout is for the whole attempt, dialling included."""

    async def hang(url: WebSocketURL, options: WebSocketRequestOptions) -> trio.abc.Stream:
        await trio.sleep_forever()

    async with WebSocket(Settings(connect_timeout=3), dial=hang) as ws:
        with pytest.raises(BusinessError, match="3 s"):
            await ws.connect(URL)

    assert 3 == trio.current_time()


async def test_the_link_breaks_during_the_handshake(nursery: trio.Nursery) -> None:
    """A reset before the answer is a refusal without a status, and its cause is attached."""
    network = TappedNetwork(silent, nursery)
    async with network.websocket() as ws:
        journal = Journal(ws)
        nursery.start_soon(reset_later, network)
        with pytest.raises(BusinessError, match="lost before") as caught:
            await ws.connect(URL)

    assert isinstance(caught.value.__cause__, Exception)
    assert [("error", 200, "0")] == journal.entries


async def reset_later(network: TappedNetwork) -> None:
    """Break the link once nothing else happens."""
    await settle()
    network.taps[0].reset()


async def test_the_request_cannot_be_written(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """A write failure during the handshake ends the attempt after the second in which an answer may come."""

    class Broken(Network):
        async def dial(self, url: WebSocketURL, options: WebSocketRequestOptions) -> trio.abc.Stream:
            stream = await super().dial(url, options)
            assert isinstance(stream, trio.StapledStream)
            stream.send_stream = Unwritable()
            return stream

    async with Broken(silent, nursery).websocket() as ws:
        journal = Journal(ws)
        with pytest.raises(BusinessError, match="lost before"):
            await ws.connect(URL)

    assert 1 == trio.current_time()
    assert [("error", 200, "0")] == journal.entries


class Unwritable(trio.abc.SendStream):
    """A stream that fails to send."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Fail."""
        await trio.lowlevel.checkpoint()
        raise trio.BrokenResourceError("unwritable")

    async def wait_send_all_might_not_block(self) -> None:
        """Do nothing."""
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Do nothing."""
        await trio.lowlevel.checkpoint()


# Cancelling close


@pytest.mark.parametrize("way", ["close", "aclose"])
async def test_a_cancelled_close_drops_the_connection(
    nursery: trio.Nursery, autojump_clock: Clock, way: str
) -> None:
    """The resources are released at once, the close event is told, then Cancelled goes on."""
    network = TappedNetwork(mute, nursery)
    async with network.websocket() as ws:
        journal = Journal(ws)
        await ws.connect(URL)
        with trio.move_on_after(1) as scope:
            await (ws.close({"code": 3000}) if way == "close" else ws.aclose())

        assert (1, True) == (trio.current_time(), scope.cancelled_caught)
        assert network.taps[0].closed
        assert "closed" == ws.state
        code = 3000 if way == "close" else 1000
        assert [*CONNECTED, ("close", code, "")] == journal.entries
        assert CloseResult(code, "", False, "local") == ws.close_result


async def test_a_cancelled_close_ends_another_one(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """Two tasks close; when one is cancelled the connection is dropped, and the other returns True."""
    results: list[object] = []
    async with Network(mute, nursery).websocket() as ws:
        await ws.connect(URL)

        async def close() -> None:
            results.append(await ws.close())

        async with trio.open_nursery() as closers:
            closers.start_soon(close)
            await settle()
            with trio.move_on_after(1):
                await ws.aclose()

        assert ([True], 1) == (results, trio.current_time())


async def test_a_close_in_a_cancelled_scope_drops_the_connection(nursery: trio.Nursery) -> None:
    """There is no time for a closing handshake, but the connection does not stay open."""
    network = TappedNetwork(mute, nursery)
    async with network.websocket() as ws:
        await ws.connect(URL)
        with trio.CancelScope() as scope:
            scope.cancel()
            await ws.close()

        assert scope.cancelled_caught
        assert (State.CLOSED, True) == (ws.state, network.taps[0].closed)


# Writing fails


@pytest.mark.parametrize(
    ("seconds", "result"),
    [
        (0.5, CloseResult(1008, "go away", False, "peer")),
        (None, CloseResult(1006, "The link is down", False, "link")),
    ],
    ids=["the peer's Close is there", "nothing is there"],
)
async def test_a_write_fails(
    nursery: trio.Nursery, autojump_clock: Clock, seconds: float | None, result: CloseResult
) -> None:
    """Sends fail at once; the reader goes on for a second, in which the peer's Close may be read."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        if seconds is not None:
            await trio.sleep(seconds)
            await peer.send(frame(TEXT, "last"), close_frame(1008, "go away"))
        await trio.sleep_forever()

    network = TappedNetwork(script, nursery)
    async with network.websocket() as ws:
        await ws.connect(URL)
        network.taps[0].write_error = failure = trio.BrokenResourceError("broken")
        ws.send_nowait("lost")
        with pytest.raises(ConnectionLost):
            await ws.flush()
        assert "open" == ws.state
        for call in (ws.send, ws.ping):
            with pytest.raises(ConnectionLost) as caught:
                await call(b"x")
            assert failure is caught.value.__cause__
        with pytest.raises(ConnectionLost):
            ws.send_nowait("x")
        assert result == await ws.wait_closed()
        assert 1 == trio.current_time()
        if seconds is not None:
            assert "last" == await ws.receive()


async def test_we_close_after_a_write_failed(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """In that second close may be called: nothing can be said, so it waits no longer, and is not clean."""
    network = TappedNetwork(mute, nursery)
    async with network.websocket() as ws:
        await ws.connect(URL)
        network.taps[0].write_error = trio.BrokenResourceError("broken")
        ws.send_nowait("lost")
        with pytest.raises(ConnectionLost):
            await ws.flush()
        await ws.close()

        assert (1, CloseResult(1000, "", False, "local")) == (trio.current_time(), ws.close_result)


async def test_our_close_fails_to_be_written(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """A close whose frame is not written waits a second for the peer, not close_timeout."""
    network = TappedNetwork(mute, nursery)
    async with network.websocket() as ws:
        await ws.connect(URL)
        network.taps[0].write_error = trio.BrokenResourceError("broken")
        await ws.close()

        assert (1, CloseResult(1000, "", False, "local")) == (trio.current_time(), ws.close_result)


async def test_the_echo_of_the_peers_close_fails_to_be_written(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """A peer that closed, and cannot be answered: its code is the result, but the end was not clean."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await trio.sleep(1)
        await peer.send(close_frame(1000))
        await trio.sleep_forever()

    network = TappedNetwork(script, nursery)
    async with network.websocket() as ws:
        await ws.connect(URL)
        network.taps[0].write_error = trio.BrokenResourceError("broken")

        assert CloseResult(1000, "", False, "peer") == await ws.wait_closed()
        assert 2 == trio.current_time()


# Resets, on real sockets


async def reset_now(peer: Peer) -> None:
    """Reset the connection."""
    assert isinstance(peer.stream, trio.SocketStream)
    reset(peer.stream)
    await trio.lowlevel.checkpoint()


async def test_a_reset_before_the_answer(nursery: trio.Nursery) -> None:
    """Is a refusal without a status."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await reset_now(peer)

    async with TcpNetwork(script, nursery).websocket() as ws:
        journal = Journal(ws)
        with pytest.raises(BusinessError, match="lost before") as caught:
            await ws.connect(URL)

    assert (UNKNOWN_ERROR, "0") == (caught.value.code, caught.value.data)
    assert [("error", 200, "0")] == journal.entries


Stage = Callable[[Peer], Awaitable[object]]


async def nothing(peer: Peer) -> None:
    """Nothing comes before the reset."""


async def half_a_frame(peer: Peer) -> None:
    """The reset comes within a frame."""
    await peer.send(frame(TEXT, "x" * 100)[:50])


async def a_flood_of_ours(peer: Peer) -> None:
    """The reset comes while we send more than the peer reads."""
    await settle()


@pytest.mark.parametrize("stage", [nothing, half_a_frame, a_flood_of_ours], ids=lambda stage: stage.__name__)
async def test_a_reset_while_open(nursery: trio.Nursery, stage: Stage) -> None:
    """Is the end of the link: 1006, with the OSError as its cause; error and close are told once."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await stage(peer)
        await settle()
        await reset_now(peer)

    async with TcpNetwork(script, nursery).websocket() as ws:
        journal = Journal(ws, but=("message", "dataEnd"))
        await ws.connect(URL)
        if stage is a_flood_of_ours:
            with pytest.raises(ConnectionLost):
                while True:
                    await ws.send(bytes(1_000_000))
        result = await ws.wait_closed()
        with pytest.raises(ConnectionLost):
            await ws.send("x")
        with pytest.raises(ConnectionLost):
            await ws.receive()

    assert CloseResult(1006, "The link is down", False, "link") == result
    assert isinstance(result.cause, OSError)
    assert [*CONNECTED, ("error", 200, "0"), ("close", 1006, "The link is down")] == journal.entries


async def test_a_reset_in_answer_to_our_close(nursery: trio.Nursery) -> None:
    """The close is ours all the same; it waits for nothing more."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.receive()
        await reset_now(peer)

    async with TcpNetwork(script, nursery).websocket() as ws:
        journal = Journal(ws)
        await ws.connect(URL)
        assert await ws.close()

        assert CloseResult(1000, "", False, "local") == ws.close_result
    assert [*CONNECTED, ("close", 1000, "")] == journal.entries


async def test_a_reset_behind_the_peers_close(nursery: trio.Nursery) -> None:
    """A peer that closes, gets its echo, and resets: the close is its own, and clean."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(close_frame(1000, "done"))
        await peer.receive()
        await reset_now(peer)

    async with TcpNetwork(script, nursery).websocket() as ws:
        journal = Journal(ws)
        await ws.connect(URL)

        assert CloseResult(1000, "done", True, "peer") == await ws.wait_closed()
    assert [*CONNECTED, ("close", 1000, "done")] == journal.entries


# The keepalive of a session


async def test_a_dead_link_is_found(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """An empty ping after 30 s of silence; 30 s later the link is broken, and the transport released."""
    network = TappedNetwork(deaf, nursery)
    async with network.websocket() as ws:
        journal = Journal(ws)
        await ws.connect(URL)
        result = await ws.wait_closed()

        assert (60, 1006, "link") == (trio.current_time(), result.code, result.by)
        assert isinstance(result.cause, TimeoutError)
        assert network.taps[0].closed
    assert [Frame(PING, b"")] == network.taps[0].frames()
    assert [*CONNECTED, ("error", 200, "0"), ("close", 1006, "The link is down")] == journal.entries


async def test_a_polite_peer_lives_for_ever(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """A peer that answers each ping keeps an idle connection open, and its latency known."""
    network = TappedNetwork(hospitable, nursery)
    async with network.websocket() as ws:
        await ws.connect(URL)
        await trio.sleep(3601)

        assert ("open", 0) == (ws.state, ws.latency)
        assert [Frame(PING, b"")] * 120 == network.taps[0].frames()


@pytest.mark.parametrize(
    "settings", [{"ping_interval": None}, {"ping_timeout": None}], ids=lambda s: next(iter(s))
)
async def test_the_keepalive_may_be_off(
    nursery: trio.Nursery, autojump_clock: Clock, settings: dict[str, None]
) -> None:
    """Without pings, or without a timeout for them, a silent link is left alone."""
    network = TappedNetwork(deaf, nursery)
    async with network.websocket(**settings) as ws:
        await ws.connect(URL)
        await trio.sleep(10000)

        assert "open" == ws.state
        assert [Frame(PING, b"")] * ("ping_timeout" in settings) == network.taps[0].frames()


async def test_a_slow_handshake_is_no_silence(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """The answer's bytes are a sign of life: the first ping comes 30 s after them."""

    async def script(peer: Peer) -> None:
        await trio.sleep(29)
        await peer.accept()
        await peer.serve_politely()

    network = TappedNetwork(script, nursery)
    async with network.websocket() as ws:
        await ws.connect(URL)
        await trio.sleep(29.5)
        assert [] == network.taps[0].frames()
        await trio.sleep(1)
        assert [Frame(PING, b"")] == network.taps[0].frames()


async def test_a_peer_that_does_not_read_is_silent(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """With the outbox over its limit the reader waits; that is the peer's slowness, so the link breaks."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        while True:
            await peer.send(frame(TEXT, "unheard"))
            await trio.sleep(1)

    network = TappedNetwork(script, nursery)
    async with network.websocket(send_buffer=100) as ws:
        ws.on("message", lambda err, value: ws.send(bytes(1000), lambda err, value: None))
        await ws.connect(URL)
        network.taps[0].stuck = True
        result = await ws.wait_closed()

    assert (1006, "link") == (result.code, result.by)
    assert 60 == pytest.approx(trio.current_time(), abs=2)
    nursery.cancel_scope.cancel()


async def test_a_peer_that_answers_before_it_reads_on(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """It is no slow peer: while a task fills the outbox the reader goes on, and all answers come."""

    async def answer_twice(peer: Peer) -> None:
        await peer.accept()
        while (one := await peer.receive()) is not None:
            await peer.send(frame(one.opcode, one.payload))
            await peer.send(frame(one.opcode, one.payload))
            if one.opcode == CLOSE:
                break
        await peer.stream.aclose()

    network = TappedNetwork(answer_twice, nursery, lockstep=True)
    async with network.websocket(send_buffer=1) as ws:
        await ws.connect(URL)

        async def send_all() -> None:
            for n in range(20):
                await ws.send(str(n))

        nursery.start_soon(send_all)
        assert [str(n // 2) for n in range(40)] == [await ws.receive() for _ in range(40)]

    assert 0 == trio.current_time()


# Whoever waits when it ends


@pytest.mark.parametrize("by", ["local", "peer", "link"])
async def test_the_end_wakes_all_who_wait(nursery: trio.Nursery, autojump_clock: Clock, by: str) -> None:
    """Senders in line, flush, ping, receive and wait_closed of a full socket all come back."""
    network = TappedNetwork(mute, nursery)
    errors: dict[str, type[BaseException] | None] = {}

    async def wait(name: str, call: Callable[[], Awaitable[object]]) -> None:
        try:
            await call()
        except BusinessError as error:
            errors[name] = type(error)
        else:
            errors[name] = None

    async with network.websocket(send_buffer=100, close_timeout=1) as ws:
        await ws.connect(URL)
        network.taps[0].stuck = True
        ws.send_nowait(bytes(1000))
        async with trio.open_nursery() as waiters:
            waiters.start_soon(wait, "send", lambda: ws.send("x"))
            waiters.start_soon(wait, "send again", lambda: ws.send("x"))
            for call in (ws.flush, ws.ping, ws.receive, ws.wait_closed):
                waiters.start_soon(wait, call.__name__, call)
            await settle()
            if by == "local":
                await ws.close()
            elif by == "peer":
                await network.peers[0].send(close_frame(1011))
            else:
                network.taps[0].reset()

    lost, closed = ConnectionLost, AlreadyClosed
    gone = closed if by == "local" else lost
    assert {
        "send": gone,
        "send again": gone,
        "flush": gone,
        "ping": gone,
        "receive": EndOfMessages if by == "local" else lost,
        "wait_closed": None,
    } == errors


# Words


@pytest.mark.parametrize(
    ("end", "error", "words"),
    [
        (lambda peer: peer.close(1000, "done"), ConnectionLost, "the peer closed with 1000 'done'"),
        (lambda peer: peer.close(None), ConnectionLost, "the peer closed with 1005"),
        (
            lambda peer: peer.send(b"\xff\xff"),
            ConnectionLost,
            "the peer broke the protocol: reserved bits set",
        ),
        (lambda peer: peer.stream.aclose(), ConnectionLost, "the link is down"),
        (None, AlreadyClosed, "the socket was closed with 4001 'mine'"),
    ],
    ids=["close", "empty close", "violation", "EOF", "local"],
)
async def test_what_is_said_of_a_session_that_is_gone(
    nursery: trio.Nursery, end: Stage | None, error: type[BusinessError], words: str
) -> None:
    """A send after the end says how that came."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        if end is None:
            await peer.serve_politely()
        else:
            await end(peer)
            await peer.stream.aclose()

    async with Network(script, nursery).websocket() as ws:
        await ws.connect(URL)
        if end is None:
            await ws.close({"code": 4001, "reason": "mine"})
        await ws.wait_closed()
        with pytest.raises(error) as caught:
            await ws.send("x")

    assert caught.value.message.endswith(words)


def test_the_request_keeps_its_secrets() -> None:
    """Its repr says to whom it goes, not what its headers, path and query hold."""
    request = UpgradeRequest("example.test", "/?token=1", ("chat",), ((b"Authorization", b"Basic secret"),))

    assert "<UpgradeRequest example.test>" == repr(request)


# States


async def test_states_follow_the_table(nursery: trio.Nursery) -> None:
    """What listeners and callers see on the way are states of the table, in its order, twice."""
    seen: list[State] = []
    async with Network(hospitable, nursery).websocket() as ws:

        def look(*_: object) -> None:
            if not seen or seen[-1] != ws.state:
                seen.append(State(ws.state))

        ws.on("headerReceive", look)
        ws.on("open", look)
        ws.on("close", look)
        for _ in range(2):
            look()
            ws.connect(URL, look)
            look()
            await settle()
            ws.close(look)
            look()
            await ws.wait_closed()

    once = [State.CONNECTING, State.OPEN, State.CLOSING, State.CLOSED]
    assert [State.IDLE, *once, *once] == seen
    assert all(after in TRANSITIONS[before] for before, after in pairwise(once))
