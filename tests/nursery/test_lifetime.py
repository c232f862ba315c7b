"""Who ends first: the body of the block, then the connection, however the body ends.

The scenarios are those that the structure was chosen for; a server of a few lines is enough for most.
"""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from tests.journal import Journal
from tests.nursery.loopback import TcpNetwork
from tests.scripted_peer import CLOSE, TEXT, URL, Frame, Network, Peer, frame
from tests.tap import TappedNetwork
from trio_ohws import BusinessError, CloseResult, WebSocket
from trio_ohws.nursery.lifetime import body_first

Clock = trio.testing.MockClock

GOODBYE = Frame(CLOSE, b"\x03\xe8")
LEAVING = Frame(CLOSE, b"\x03\xe9")


async def settle() -> None:
    """Let all tasks run as far as they can."""
    await trio.testing.wait_all_tasks_blocked()


class Server(Network):
    """A network whose server keeps what it got, and answers our Close after `delay` seconds, or never.

    Args:
        nursery: where it runs.
        delay: None for a server that never answers, but reads.
        then: what it sends once it has accepted.
    """

    def __init__(self, nursery: trio.Nursery, delay: float | None = 0, then: bytes = b"") -> None:
        super().__init__(self._serve, nursery)
        self.delay = delay
        self.then = then
        self.received: list[Frame] = []

    async def _serve(self, peer: Peer) -> None:
        await peer.accept(then=self.then)
        while (one := await peer.receive()) is not None:
            self.received.append(one)
            if one.opcode == CLOSE and self.delay is not None:
                await trio.sleep(self.delay)
                try:
                    await peer.send(frame(CLOSE, one.payload))
                    await peer.stream.aclose()
                except trio.BrokenResourceError:
                    pass
                return

    @asynccontextmanager
    async def connected(self, **settings: Any) -> AsyncIterator[WebSocket]:
        """Open a socket, and see what it got after the block."""
        async with self.websocket(**settings) as ws:
            await ws.connect(URL)
            yield ws


@pytest.fixture
def server(nursery: trio.Nursery) -> Server:
    """A server that answers at once."""
    return Server(nursery)


# How the body ends


async def test_the_body_ends(server: Server) -> None:
    """What was queued leaves, then Close 1000; the answer is awaited."""
    async with server.connected() as ws:
        journal = Journal(ws)
        ws.send_nowait("last")

    assert [Frame(TEXT, b"last"), GOODBYE] == server.received
    assert [("close", 1000, "")] == journal.entries


async def test_the_body_returns_out_of_the_block(server: Server) -> None:
    """`return`, `break` and `continue` are plain ends."""

    async def body() -> str:
        async with server.connected():
            return "result"

    assert "result" == await body()
    assert [GOODBYE] == server.received


async def test_the_body_raises(server: Server) -> None:
    """The peer gets Close 1001; the very exception comes out, with the context that it had."""
    context, error = KeyError("context"), ValueError("mine")
    closed: list[CloseResult] = []
    with pytest.raises(ValueError, match="mine") as caught:
        async with server.connected() as ws:
            ws.on("close", lambda err, value: closed.append(value))
            try:
                raise context
            except KeyError:
                raise error  # noqa: B904  # the context is what is tested

    assert error is caught.value
    assert context is error.__context__
    assert error.__cause__ is None
    assert [LEAVING] == server.received
    assert [CloseResult(1001, "", True, "local")] == closed


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()], ids=repr)
async def test_the_body_raises_what_is_no_exception(server: Server, error: BaseException) -> None:
    """KeyboardInterrupt and its kin are treated no worse: Close 1001, and they come out bare."""
    with pytest.raises(type(error)) as caught:
        async with server.websocket() as ws:
            await ws.connect(URL)
            raise error

    assert error is caught.value
    assert [LEAVING] == server.received


async def test_the_body_raises_a_group(server: Server) -> None:
    """A group of the user's, even of one, is one error: it comes out as it is."""
    mine = ExceptionGroup("mine", [ValueError("inner")])
    with pytest.RaisesGroup(ValueError) as caught:
        async with server.connected():
            raise mine

    # Trio copies a group that passes through a nursery.
    assert ("mine", mine.exceptions) == (caught.value.message, caught.value.exceptions)
    assert [LEAVING] == server.received


async def test_the_body_is_cancelled(server: Server) -> None:
    """The peer gets Close 1001, and the cancellation reaches the scope that it is for."""
    with trio.CancelScope() as scope:
        async with server.connected():
            scope.cancel()
            await trio.sleep_forever()

    assert scope.cancelled_caught
    assert [LEAVING] == server.received


async def test_the_bodys_last_words(server: Server) -> None:
    """What `finally` clauses say under cancellation reaches the peer, before Close 1001.

    There they may send under a shield, queue without waiting, or use the callback form.
    """
    with trio.CancelScope() as scope:
        async with server.connected() as ws:
            try:
                scope.cancel()
                await trio.sleep_forever()
            finally:
                ws.send_nowait("one")
                ws.send("two", lambda err, value: None)
                with trio.CancelScope(shield=True):
                    await ws.send("three")

    assert [Frame(TEXT, b"one"), Frame(TEXT, b"two"), Frame(TEXT, b"three"), LEAVING] == server.received


async def test_the_bodys_last_conversation(nursery: trio.Nursery) -> None:
    """Under a shield of its own the body can still receive: the service outlives it."""
    received: list[Frame] = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        question = await peer.receive()
        assert question is not None
        await peer.send(frame(TEXT, b"answer to " + question.payload))
        received.extend(await peer.serve_politely())

    answers: list[object] = []
    with trio.CancelScope() as scope:
        async with Network(script, nursery).websocket() as ws:
            await ws.connect(URL)
            try:
                scope.cancel()
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await ws.send("question")
                    answers.append(await ws.receive())

    await settle()
    assert ["answer to question"] == answers
    assert [LEAVING] == received


async def test_a_deadline_around_the_socket(server: Server, autojump_clock: Clock) -> None:
    """A timeout of the user's is the user's: TooSlowError comes out, after the goodbye."""
    with pytest.raises(trio.TooSlowError):
        with trio.fail_after(5):
            async with server.connected():
                await trio.sleep_forever()

    assert 5 == trio.current_time()
    assert [LEAVING] == server.received


async def test_a_nursery_around_the_socket(server: Server) -> None:
    """A sibling's failure cancels the body; the sibling's error comes out of their nursery, alone."""

    async def body() -> None:
        async with server.connected():
            await trio.sleep_forever()

    async def fail() -> None:
        await settle()
        raise ValueError("sibling")

    with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="sibling")):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(body)
            nursery.start_soon(fail)

    assert [LEAVING] == server.received


async def test_control_c(server: Server) -> None:
    """A SIGINT while the body sleeps comes out as a bare KeyboardInterrupt, after the goodbye."""
    with pytest.raises(KeyboardInterrupt):
        async with server.connected():
            await settle()
            signal.raise_signal(signal.SIGINT)
            await trio.sleep_forever()

    assert [LEAVING] == server.received


async def test_one_socket_in_another(nursery: trio.Nursery) -> None:
    """The inner one says goodbye first; both do."""
    inner, outer = Server(nursery), Server(nursery)
    order: list[str] = []
    with pytest.raises(ValueError, match="mine"):
        async with outer.connected() as one, inner.connected() as two:
            one.on("close", lambda err, value: order.append("outer"))
            two.on("close", lambda err, value: order.append("inner"))
            raise ValueError("mine")

    assert ["inner", "outer"] == order
    assert [[LEAVING]] * 2 == [inner.received, outer.received]


async def test_connect_is_cancelled_and_the_body_goes_on(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """An attempt that the body gives up leaves nothing to say goodbye to."""
    network = TappedNetwork(lambda peer: peer.read_request(), nursery)
    async with network.websocket() as ws:
        with trio.move_on_after(1):
            await ws.connect(URL)
        assert network.taps[0].closed

    assert 1 == trio.current_time()


# How long a goodbye takes


@pytest.mark.parametrize(
    ("delay", "seconds", "clean"),
    [(0, 0, True), (0.2, 0.2, True), (0.3, 0.25, False), (None, 0.25, False)],
    ids=["at once", "soon", "too late", "never"],
)
@pytest.mark.parametrize("cancel", [True, False], ids=["cancelled", "raises"])
async def test_a_goodbye_waits_a_quarter_of_a_second(
    nursery: trio.Nursery,
    autojump_clock: Clock,
    delay: float | None,
    seconds: float,
    clean: bool,
    cancel: bool,
) -> None:
    """A peer that reads has 0.25 s for its answer."""
    server = Server(nursery, delay)
    with trio.CancelScope() as scope:
        try:
            async with server.connected() as ws:
                if cancel:
                    scope.cancel()
                    await trio.sleep_forever()
                raise ValueError("mine")
        except ValueError:
            assert not cancel

    assert cancel is scope.cancelled_caught
    assert seconds == pytest.approx(trio.current_time())
    assert CloseResult(1001, "", clean, "local") == ws.close_result
    await settle()
    assert [LEAVING] == server.received


@pytest.mark.parametrize("goodbye_timeout", [0, 0.1, 2, 5])
async def test_a_peer_that_does_not_read_is_left(
    nursery: trio.Nursery, autojump_clock: Clock, goodbye_timeout: float
) -> None:
    """With frames queued that nobody takes the goodbye ends after goodbye_timeout, exactly."""
    network = TappedNetwork(lambda peer: peer.accept(), nursery)
    with trio.CancelScope() as scope:
        async with network.websocket(goodbye_timeout=goodbye_timeout) as ws:
            await ws.connect(URL)
            network.taps[0].stuck = True
            ws.send("x" * 1000, lambda err, value: None)
            scope.cancel()
            await trio.sleep_forever()

    assert scope.cancelled_caught
    assert goodbye_timeout == pytest.approx(trio.current_time())
    assert network.taps[0].closed
    assert CloseResult(1001, "", False, "local") == ws.close_result


async def test_thirty_megabytes_are_queued(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """On a real socket, whose peer does not read, the goodbye ends in time as well."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await trio.sleep(100)

    with pytest.raises(ValueError, match="mine"):
        async with TcpNetwork(script, nursery).websocket() as ws:
            await ws.connect(URL)
            for _ in range(30):
                ws.send(bytes(1_000_000), lambda err, value: None)
            raise ValueError("mine")

    assert 2 == pytest.approx(trio.current_time())
    assert CloseResult(1001, "", False, "local") == ws.close_result
    nursery.cancel_scope.cancel()


async def test_a_plain_end_is_patient(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """When the body ended by itself the answer is awaited for close_timeout."""
    server = Server(nursery, delay=9)
    async with server.connected() as ws:
        pass

    assert 9 == trio.current_time()
    assert CloseResult(1000, "", True, "local") == ws.close_result


async def test_patience_can_be_cancelled(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """A cancellation while a plain end waits for the peer cuts that down to goodbye_timeout."""
    server = Server(nursery, delay=None)
    with trio.move_on_after(3) as scope:
        async with server.connected(goodbye_timeout=1) as ws:
            pass

    assert (4, True) == (trio.current_time(), scope.cancelled_caught)
    assert CloseResult(1000, "", False, "local") == ws.close_result


async def test_the_body_raises_while_a_close_is_under_way(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """The Close that was sent stays the only one; the wait is cut down to goodbye_timeout."""
    server = Server(nursery, delay=None)
    with pytest.raises(ValueError, match="mine"):
        async with server.connected() as ws:
            ws.close({"code": 3000}, lambda err, value: None)
            await trio.sleep(1)
            raise ValueError("mine")

    assert 3 == trio.current_time()
    assert [Frame(CLOSE, b"\x0b\xb8")] == server.received


async def test_a_parked_reader_does_not_hold_up_the_end(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """Messages that nobody took are dropped, so that the peer's answer is seen."""
    server = Server(nursery, then=frame(TEXT, "x") * 10)
    async with server.connected(receive_buffer=(2, 1000)) as ws:
        await settle()

    assert 0 == trio.current_time()
    assert CloseResult(1000, "", True, "local") == ws.close_result


async def test_the_link_breaks_during_the_goodbye(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """A reset ends the wait, and adds nothing to what comes out."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.receive()
        await trio.sleep(0.1)
        network.taps[0].reset()

    network = TappedNetwork(script, nursery)
    with pytest.raises(ValueError, match="mine"):
        async with network.websocket() as ws:
            await ws.connect(URL)
            raise ValueError("mine")

    assert 0.1 == pytest.approx(trio.current_time())
    assert CloseResult(1001, "", False, "local") == ws.close_result


async def test_nothing_is_left_to_say_goodbye_to(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """After the peer closed, a body that raises takes no time, and says nothing more."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.close(1000)

    with pytest.raises(ValueError, match="mine"):
        async with Network(script, nursery).websocket() as ws:
            await ws.connect(URL)
            await ws.wait_closed()
            raise ValueError("mine")

    assert 0 == trio.current_time()


# More than one error


def failing(error: BaseException) -> Callable[..., None]:
    """Return a callback that raises `error`."""

    def fail(*_: object) -> None:
        raise error

    return fail


def failing_later(error: BaseException) -> Callable[..., Awaitable[None]]:
    """Return an async callback that raises `error`."""

    async def fail(*_: object) -> None:
        await trio.lowlevel.checkpoint()
        raise error

    return fail


@pytest.mark.parametrize("make", [failing, failing_later], ids=["sync", "async"])
@pytest.mark.parametrize(
    "error", [ValueError("mine"), KeyboardInterrupt()], ids=["ValueError", "KeyboardInterrupt"]
)
async def test_a_callback_raises(
    nursery: trio.Nursery, make: Callable[[BaseException], Callable[..., Any]], error: BaseException
) -> None:
    """The body is cancelled, the peer gets Close 1001, and the very exception comes out bare."""
    server = Server(nursery, then=frame(TEXT, "x"))
    cancelled: list[bool] = []
    with pytest.raises(type(error)) as caught:
        async with server.websocket() as ws:
            ws.on("message", make(error))
            await ws.connect(URL)
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                cancelled.append(True)
                raise

    assert error is caught.value
    assert error.__context__ is None
    assert [True] == cancelled
    await settle()
    assert [LEAVING] == server.received


@pytest.mark.parametrize("make", [failing, failing_later], ids=["sync", "async"])
async def test_a_callback_and_the_body_raise(
    nursery: trio.Nursery, make: Callable[[BaseException], Callable[..., Any]]
) -> None:
    """Two errors come out as a group of two; neither is the other's context."""
    server = Server(nursery, then=frame(TEXT, "x"))
    one, two = ValueError("callback"), KeyError("body")
    with pytest.RaisesGroup(ValueError, KeyError) as caught:
        async with server.websocket() as ws:
            ws.on("message", make(one))
            await ws.connect(URL)
            try:
                await trio.sleep_forever()
            finally:
                two.__suppress_context__ = True
                raise two

    assert {one, two} == set(caught.value.exceptions)
    assert one.__context__ is None


async def test_the_body_and_a_close_listener_raise(server: Server) -> None:
    """A listener that fails during the goodbye is not lost beside the body's error."""
    one, two = ValueError("listener"), KeyError("body")
    with pytest.RaisesGroup(ValueError, KeyError):
        async with server.connected() as ws:
            ws.on("close", failing(one))
            raise two

    assert [LEAVING] == server.received
    assert one.__context__ is None


async def test_a_listener_raises_while_the_body_is_cancelled(server: Server) -> None:
    """The listener's error comes out bare; the cancellation is not lost by that."""
    with trio.CancelScope() as scope:
        with pytest.raises(ValueError, match="listener"):
            async with server.connected() as ws:
                ws.on("close", failing(ValueError("listener")))
                scope.cancel()
                await trio.sleep_forever()
        await trio.lowlevel.checkpoint()

    assert scope.cancelled_caught


async def test_the_peer_closes_and_the_body_raises_what_it_got(nursery: trio.Nursery) -> None:
    """What `receive` raises at the end comes out bare if the body does not catch it."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.close(1011, "sorry")

    with pytest.raises(BusinessError, match="1011 'sorry'"):
        async with Network(script, nursery).websocket() as ws:
            await ws.connect(URL)
            await ws.receive()


def test_a_run_without_strict_groups() -> None:
    """In a Trio run that unpacks groups, a group of the user's is untouched all the same."""
    mine = ExceptionGroup("mine", [ValueError("inner")])
    received: list[Sequence[Frame]] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            server = Server(nursery)
            try:
                async with server.connected():
                    raise mine
            finally:
                received.append(server.received)

    with pytest.warns(trio.TrioDeprecationWarning), pytest.RaisesGroup(ValueError) as caught:
        trio.run(main, strict_exception_groups=False)

    assert "mine" == caught.value.message
    assert [[LEAVING]] == received


# body_first alone


class Ends:
    """Notes the order in which the parts of a block end."""

    def __init__(self) -> None:
        self.log: list[str] = []

    async def farewell(self) -> None:
        """The patient end."""
        self.log.append("farewell")
        await trio.lowlevel.checkpoint()

    async def goodbye(self) -> None:
        """The end in any case."""
        await trio.lowlevel.checkpoint()
        self.log.append("goodbye")

    async def service(self) -> None:
        """What the body uses."""
        try:
            await trio.sleep_forever()
        finally:
            self.log.append("service")


@pytest.mark.parametrize("how", ["plain", "raises", "cancelled"])
async def test_the_body_ends_first_and_the_service_last(how: str) -> None:
    """Farewell only after a plain end, goodbye always and shielded, then what runs in the nursery."""
    ends = Ends()
    with trio.CancelScope() as scope:
        try:
            async with body_first(ends.farewell, ends.goodbye) as nursery:
                with trio.CancelScope(shield=True) as sheltered:
                    nursery.start_soon(ends.service)
                    await settle()
                assert not sheltered.cancel_called
                try:
                    if how == "raises":
                        raise ValueError("mine")
                    if how == "cancelled":
                        scope.cancel()
                        await trio.sleep_forever()
                finally:
                    ends.log.append("body")
                    if how == "plain":
                        nursery.cancel_scope.cancel()
        except ValueError:
            assert how == "raises"

    assert "body" == ends.log[0] or how == "cancelled"
    assert {"body", "goodbye", "service"} <= set(ends.log)
    assert ("farewell" in ends.log) is (how == "plain")


@pytest.mark.parametrize("part", ["farewell", "goodbye"])
async def test_an_end_that_fails(part: str) -> None:
    """An error of either end comes out bare, and the goodbye is said all the same."""
    ends = Ends()

    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError(part)

    with pytest.raises(ValueError, match=part):
        async with body_first(
            fail if part == "farewell" else ends.farewell, fail if part == "goodbye" else ends.goodbye
        ) as nursery:
            nursery.start_soon(ends.service)
            await settle()

    expected = ["goodbye", "service"] if part == "farewell" else ["farewell", "service"]
    assert expected == ends.log


async def test_a_service_that_fails_cancels_the_body() -> None:
    """Its error comes out bare, after the goodbye."""
    ends = Ends()

    async def fail() -> None:
        await settle()
        raise ValueError("service")

    with pytest.raises(ValueError, match="service"):
        async with body_first(ends.farewell, ends.goodbye) as nursery:
            nursery.start_soon(fail)
            await trio.sleep_forever()

    assert ["goodbye"] == ends.log
