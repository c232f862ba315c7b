"""The blocking socket: over real sockets, since threads do not live in virtual time."""

import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack
from queue import SimpleQueue
from typing import Any, Self

import pytest
import trio

import trio_ohws
from tests.keeper import Keeper
from tests.logbook import Logbook
from tests.scripted_peer import CLOSE, TEXT, Frame, Peer, echo, frame
from tests.served import served
from trio_ohws import (
    BusinessError,
    CloseResult,
    ConnectionLost,
    EndOfMessages,
    State,
    WebSocketCloseOptions,
)
from trio_ohws.sync import create_websocket, createWebSocket, open_websocket
from trio_ohws.sync.calls import MAX_CALLS, MAX_CALLS_SIZE, Calls, sleep
from trio_ohws.sync.operation import Bell, Operation
from trio_ohws.sync.portal import SocketThread

Script = Callable[[Peer], Awaitable[Any]]
Serve = Callable[[Script], str]

GOING_AWAY = Frame(CLOSE, b"\x03\xe9")

posix = pytest.mark.skipif(sys.platform == "win32", reason="a thread cannot be sent a signal there")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that end with the test."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(served(script))


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert [] == [thread for thread in threading.enumerate() if thread.name == "trio_ohws.sync"]


def texts(*messages: str) -> bytes:
    """Return the frames of text messages."""
    return b"".join(frame(TEXT, message) for message in messages)


def numbers(count: int) -> list[str]:
    """Return as many messages, all different."""
    return [str(number) for number in range(count)]


def closing(code: int, *messages: str) -> Script:
    """Return a server that sends messages, then closes."""

    async def script(peer: Peer) -> None:
        await peer.accept(then=texts(*messages))
        await peer.close(code)

    return script


class Pressing:
    """Serves one connection, and presses Ctrl-C when a frame of a kind comes.

    Args:
        opcode: of that kind.
        then: bytes to send after that.
        answers: whether Close is answered; if not, it waits for the client's EOF.
    """

    def __init__(self, opcode: int, then: bytes = b"", *, answers: bool = True) -> None:
        self.opcode = opcode
        self.then = then
        self.answers = answers
        self.frames: list[Frame] = []

    async def __call__(self, peer: Peer) -> None:
        """Serve it."""
        await peer.accept()
        while (one := await peer.receive()) is not None:
            self.frames.append(one)
            if one.opcode == self.opcode:
                press()
                await peer.send(self.then)
            if self.answers and one.opcode == CLOSE:
                await peer.send(frame(CLOSE, one.payload))
                break


def press() -> None:
    """Press Ctrl-C."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


# The block


def test_a_script_without_async(serve: Serve) -> None:
    """Connect, send, receive, and close with the block."""
    with open_websocket(serve(echo)) as ws:
        assert True is ws.send("text")
        assert "text" == ws.receive()
        ws.send(b"binary")
        assert b"binary" == ws.receive()
        assert State.OPEN is ws.state

    assert CloseResult(1000, "", clean=True) == ws.close_result


def test_instruments_are_told(serve: Serve) -> None:
    """They are a setting like any other; what they are told of happens in the socket's thread."""
    logbook = Logbook()
    with open_websocket(serve(echo), instruments=(logbook,)) as ws:
        ws.send("text")
        ws.receive()

    assert ["connecting", "connected"] == logbook.names()[:2]
    assert (1, 2 + 4 + 4) == logbook.totals("received")
    assert "closed" == logbook.names()[-1]


def test_ohos_spelling(serve: Serve) -> None:
    """The names and mappings of the API document work, and methods return True."""
    with createWebSocket() as ws:
        assert True is ws.connect(serve(echo), {"header": {"a": "b"}})
        assert True is ws.close({"code": 4000, "reason": "done"})
        assert CloseResult(4000, "done", clean=True) == ws.wait_closed()


def test_a_block_that_raises_says_goodbye(serve: Serve) -> None:
    """The peer gets Close 1001, and the error comes out as it is."""
    keeper = Keeper()
    error = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as caught, open_websocket(serve(keeper)):
        raise error

    assert error is caught.value
    assert [GOING_AWAY] == keeper.frames


def test_properties(serve: Serve) -> None:
    """What the async socket tells, this one tells."""
    url = serve(echo)
    with create_websocket(max_message_size=5) as ws:
        assert State.IDLE is ws.state
        assert None is ws.url
        ws.connect(url)
        assert url == ws.url
        assert "websocket" == ws.response_headers["Upgrade"]
        assert None is ws.subprotocol
        assert 0 < ws.ping() < 30
        assert None is not ws.latency
        assert None is ws.close_result
        ws.send_nowait("abc")
        ws.flush()
        assert 1 == ws.statistics().messages_sent
        assert f"<trio_ohws.sync.WebSocket open {url[:-1]}>" == repr(ws)


def test_before_the_block() -> None:
    """What needs the socket to be entered says so."""
    ws = create_websocket()
    for attempt in (lambda: ws.send("x"), lambda: ws.send_nowait("x"), lambda: ws.connect("ws://a", print)):
        with pytest.raises(RuntimeError, match="write 'with create_websocket"):
            attempt()


def test_after_the_block() -> None:
    """What needs the socket says that it was left; a second block is refused."""
    with create_websocket() as ws:
        pass
    with pytest.raises(RuntimeError, match="the socket was left"):
        ws.receive()
    with pytest.raises(RuntimeError, match="only once"):
        ws.__enter__()

    assert State.IDLE is ws.statistics().state


def test_a_socket_that_cannot_be_entered() -> None:
    """Why that is comes out of ``with``."""

    class Broken(trio_ohws.WebSocket):
        async def __aenter__(self) -> Self:
            await trio.lowlevel.checkpoint()
            raise OSError("no more files")

    with pytest.raises(OSError, match="no more files"):
        SocketThread(Broken(), Calls(), "worker").enter()


def test_settings_are_checked() -> None:
    """A wrong setting is refused where it is given."""
    with pytest.raises(TypeError, match="max_message_size"):
        create_websocket(max_message_size="1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='"caller" or "worker"'):
        create_websocket(callbacks="thread")  # type: ignore[arg-type]


def test_a_failed_attempt(serve: Serve) -> None:
    """Errors are those of the async socket, and the same socket connects again."""
    with create_websocket() as ws:
        with pytest.raises(BusinessError) as caught:
            ws.connect("http://127.0.0.1/")
        assert 2302001 == caught.value.code
        with pytest.raises(BusinessError) as caught:
            ws.receive()
        assert 2302999 == caught.value.code
        ws.connect(serve(echo))
        ws.send("x")

        assert "x" == ws.receive()


def test_it_is_no_function_for_the_event_loop() -> None:
    """Where it would block a loop of Trio's, Trio refuses."""

    async def main() -> None:  # noqa: ASYNC124  # which is what is wrong with it
        with create_websocket() as ws:
            ws.flush()

    with pytest.raises(RuntimeError, match="this is a blocking function"):
        trio.run(main)


# Receiving


def test_iteration_ends_with_the_connection(serve: Serve) -> None:
    """All messages come, then the loop ends."""
    with open_websocket(serve(closing(1000, *numbers(1000)))) as ws:
        assert numbers(1000) == list(ws)
        with pytest.raises(EndOfMessages):
            ws.receive()


def test_iteration_tells_of_trouble(serve: Serve) -> None:
    """After a code that means trouble the loop raises, once all that arrived was handed out."""
    received: list[str | bytes] = []
    with open_websocket(serve(closing(1011, "a", "b"))) as ws, pytest.raises(ConnectionLost):
        for message in ws:
            received.append(message)  # noqa: PERF402  # to see what came before the error

    assert ["a", "b"] == received


def test_batches(serve: Serve) -> None:
    """Lists of all that is ready, in order, none empty."""
    with open_websocket(serve(closing(1000, *numbers(1000)))) as ws:
        first = ws.receive()
        batches = list(ws.batches(timeout=30))

    assert [] not in batches
    assert numbers(1000) == [first, *(message for batch in batches for message in batch)]


def test_leaving_a_loop_keeps_what_is_left(serve: Serve) -> None:
    """After a break the next loop goes on with the next message."""
    with open_websocket(serve(closing(1000, "a", "b", "c"))) as ws:
        for message in ws:
            assert "a" == message
            break

        assert ["b", "c"] == list(ws)


def test_a_timeout(serve: Serve) -> None:
    """It is Python's own TimeoutError, and the socket goes on."""
    with open_websocket(serve(echo)) as ws:
        with pytest.raises(TimeoutError, match=r"not done within 0\.01 s"):
            ws.receive(timeout=0.01)
        with pytest.raises(TimeoutError):
            next(ws.batches(timeout=0))
        with pytest.raises(TimeoutError):
            ws.wait_closed(timeout=0)
        with pytest.raises(ValueError, match="at least 0 seconds"):
            ws.receive(timeout=-1)
        ws.send("x", timeout=30)
        ws.flush(timeout=30)
        ws.ping(timeout=30)

        assert "x" == ws.receive(timeout=30)


def test_a_timeout_at_the_wrong_moment_loses_nothing(serve: Serve) -> None:
    """However messages and timeouts fall together, each message comes once, in order."""

    async def dribble(peer: Peer) -> None:
        await peer.accept()
        for number in numbers(500):
            await peer.send(texts(number))
            await trio.sleep(0.0003)  # the pace of the timeouts: that is the subject
        await peer.close()

    received: list[str | bytes] = []
    timeouts = 0
    with open_websocket(serve(dribble)) as ws:
        while True:
            try:
                received.append(ws.receive(timeout=0.0003))
            except TimeoutError:
                timeouts += 1
            except EndOfMessages:
                break

    assert numbers(500) == received
    assert 0 < timeouts


def test_closing_in_time(serve: Serve) -> None:
    """A close that takes too long drops the connection."""
    with open_websocket(serve(Keeper(answers=False))) as ws:
        with pytest.raises(TimeoutError):
            ws.close(WebSocketCloseOptions(4000), timeout=0.01)

        assert CloseResult(4000, "") == ws.wait_closed()


def test_connecting_in_time(serve: Serve) -> None:
    """An attempt that takes too long leaves nothing behind."""

    async def mute(peer: Peer) -> None:
        await peer.read_request()
        await peer.stream.receive_some()

    with create_websocket() as ws:
        with pytest.raises(TimeoutError):
            ws.connect(serve(mute), timeout=0.05)
        ws.connect(serve(echo), timeout=30)

        assert State.OPEN is ws.state


def test_what_was_not_received_ends_with_its_connection(serve: Serve) -> None:
    """A new connection begins with its own messages."""
    with create_websocket() as ws:
        ws.connect(serve(closing(1000, "old", "older")))
        ws.receive()
        ws.wait_closed()
        ws.connect(serve(closing(1000, "new")))

        assert ["new"] == list(ws)


# Ctrl-C


@posix
def test_an_interrupt_while_it_waits(serve: Serve) -> None:
    """It comes out of what waits; nothing is lost, and the socket can be used."""
    with open_websocket(serve(Pressing(TEXT, then=texts("late")))) as ws:
        with pytest.raises(KeyboardInterrupt):
            ws.send("now")
            ws.wait_closed()
        assert "late" == ws.receive()

        with pytest.raises(KeyboardInterrupt):
            ws.send("now")
            ws.ping(timeout=30)
            ws.wait_closed()
        assert "late" == ws.receive()


@posix
def test_an_interrupt_ends_the_block(serve: Serve) -> None:
    """The peer gets its goodbye, and the interrupt comes out bare."""
    server = Pressing(TEXT)
    with pytest.raises(KeyboardInterrupt), open_websocket(serve(server)) as ws:
        ws.send("now")
        list(ws)

    assert [Frame(TEXT, b"now"), GOING_AWAY] == server.frames


@posix
def test_an_interrupt_while_it_closes(serve: Serve) -> None:
    """A peer that never answers does not keep whoever is in a hurry."""
    server = Pressing(CLOSE, answers=False)
    with pytest.raises(KeyboardInterrupt):
        with open_websocket(serve(server), close_timeout=300, goodbye_timeout=0.1) as ws:
            pass

    assert CloseResult(1000, "") == ws.close_result


@posix
def test_an_interrupt_while_it_is_entered() -> None:
    """No thread is left of a block that never began."""

    class Pressing(trio_ohws.WebSocket):
        async def __aenter__(self) -> Self:
            press()
            await trio.sleep_forever()
            return self

    with pytest.raises(KeyboardInterrupt):
        SocketThread(Pressing(), Calls(), "caller").enter()


def test_no_sleep_is_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt that comes just before a sleep does not end it, so that it has to end by itself."""
    monkeypatch.setattr("trio_ohws.sync.calls._NAP", 0.01)
    sleep(SimpleQueue())


@posix
def test_an_interrupt_while_connecting(serve: Serve) -> None:
    """The attempt is given up."""

    async def pressing(peer: Peer) -> None:
        await peer.read_request()
        press()
        await peer.stream.receive_some()

    with create_websocket() as ws:
        with pytest.raises(KeyboardInterrupt):
            ws.connect(serve(pressing))

        assert State.CLOSED is ws.state


@posix
def test_ctrl_c_in_a_script(serve: Serve) -> None:
    """A script that waits for messages ends with a goodbye, at once, as any script does."""
    keeper = Keeper()
    script = f"""
from trio_ohws.sync import open_websocket
with open_websocket({serve(keeper)!r}) as ws:
    print(ws.state, flush=True)
    ws.receive()
"""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "open\n" == process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)

    assert errors.endswith("\nKeyboardInterrupt\n")
    assert -signal.SIGINT == process.returncode
    assert [GOING_AWAY] == keeper.frames


# Callbacks in the thread that waits


def test_callbacks_run_where_it_waits(serve: Serve) -> None:
    """In order, in this thread, and those of the opening before connect returns."""
    told: list[object] = []
    with create_websocket() as ws:
        ws.on("headerReceive", lambda headers: told.append(headers["upgrade"]))
        ws.on("open", lambda err, value: told.append((err, value.status, threading.current_thread())))
        ws.on("message", lambda err, value: told.append((err, value)))
        ws.on("dataEnd", lambda: told.append("dataEnd"))
        ws.on("close", lambda err, value: told.append((err, value.code)))
        ws.connect(serve(closing(1000, "a", "b")))
        assert ["websocket", (None, 101, threading.current_thread())] == told[:2]

        ws.wait_closed()
        assert [(None, "a"), "dataEnd", (None, "b"), "dataEnd", (None, 1000)] == told[2:]


def test_callbacks_run_at_the_end_of_the_block(serve: Serve) -> None:
    """Who never waits hears of everything when the block ends."""
    told: list[object] = []
    with open_websocket(serve(echo)) as ws:
        ws.on("close", lambda err, value: told.append(value.code))

    assert [1000] == told


def test_an_error_event(serve: Serve) -> None:
    """A refused attempt is told as an event, before connect raises."""
    told: list[object] = []
    with create_websocket() as ws:
        ws.on("error", lambda err: told.append((err.code, err.data)))
        with pytest.raises(BusinessError):
            ws.connect(serve(lambda peer: peer.stream.aclose()))

        assert [(200, "0")] == told


def test_a_callback_may_use_the_socket(serve: Serve) -> None:
    """What it calls waits there and then, and no other callback runs inside it."""
    told: list[object] = []

    def answer(err: None, value: str) -> None:
        told.append(f"({value}")
        if value == "bye":
            ws.close({"code": 4000})
        else:
            ws.send("bye")
            ws.ping()
        told.append(f"{value})")

    with open_websocket(serve(echo)) as ws:
        ws.on("message", answer)
        ws.on("close", lambda err, value: told.append(value.code))
        ws.send("hello")
        ws.wait_closed()

    assert ["(hello", "hello)", "(bye", "bye)", 4000] == told


@pytest.mark.parametrize("fault", [ValueError("mine"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_what_a_callback_raises(serve: Serve, fault: BaseException) -> None:
    """It comes out of what waits, and ends the block as any error does."""
    keeper = Keeper(then=texts("a", "b"))
    told: list[object] = []

    def raise_it(err: None, value: str) -> None:
        told.append(value)
        raise fault

    with pytest.raises(type(fault)) as caught, create_websocket() as ws:
        ws.on("message", raise_it)
        ws.on("close", lambda err, value: told.append(value.code))
        ws.connect(serve(keeper))
        ws.wait_closed()

    assert fault is caught.value
    assert ["a", 1001] == told
    assert [GOING_AWAY] == keeper.frames


def test_errors_of_the_end_come_together(serve: Serve) -> None:
    """What a callback raises when the block has raised already is not dropped."""

    def raise_it(err: None, value: CloseResult) -> None:
        raise ValueError

    with pytest.RaisesGroup(KeyError, ValueError), open_websocket(serve(echo)) as ws:
        ws.on("close", raise_it)
        raise KeyError
    with pytest.raises(ValueError, match=r"^$"), open_websocket(serve(echo)) as ws:
        ws.on("close", raise_it)


def test_once_and_off(serve: Serve) -> None:
    """Each registration is cancelled as it was made; then messages can be received again."""
    told: list[object] = []

    def note(err: None, value: str) -> None:
        told.append(value)

    def converse(*messages: str) -> None:
        for message in messages:
            ws.send(message)
        ws.ping()

    with open_websocket(serve(echo)) as ws:
        ws.once("message", note)
        converse("a", "b")
        assert ["a"] == told
        assert "b" == ws.receive()

        ws.on("message", note)
        ws.on("message", note)
        converse("c")
        assert ["a", "c", "c"] == told

        ws.off("message", note)
        ws.off("message", print)
        converse("d")
        assert ["a", "c", "c", "d"] == told
        with pytest.raises(RuntimeError, match="a 'message' callback gets"):
            ws.receive()

        ws.off("message")
        converse("e")
        assert ["a", "c", "c", "d"] == told
        assert "e" == ws.receive()


def test_off_forgets_what_is_due(serve: Serve) -> None:
    """A callback that takes itself off is not called again."""
    told: list[object] = []

    def note(err: None, value: str) -> None:
        told.append(value)
        ws.off("message", note)

    with create_websocket() as ws:
        ws.on("message", note)
        ws.connect(serve(closing(1000, "a", "b", "c")))
        ws.wait_closed()

    assert ["a"] == told


def test_a_late_callback_hears_of_what_waits(serve: Serve) -> None:
    """Messages that came before it was registered come to it first, in order, and in pieces if so set."""
    told: list[object] = []
    with open_websocket(serve(closing(1000, "a", "bbbbb", "c", "d")), fragment_size=4) as ws:
        ws.wait_closed()
        assert "a" == ws.receive()
        ws.once("message", lambda err, value: told.append(value))
        ws.on("message", lambda err, value: told.append(value))
        with pytest.raises(RuntimeError):
            ws.receive()

    assert ["bbbb", "c", "d"] == told


def test_callbacks_are_plain_functions(serve: Serve) -> None:
    """An async one is refused; what returns a coroutine is told what it did."""

    async def later(*arguments: object) -> None:
        pass

    with open_websocket(serve(closing(1000, "a"))) as ws:
        for callback in (later, None):
            with pytest.raises(BusinessError, match="callback must be") as caught:
                ws.on("message", callback)  # type: ignore[arg-type]
            assert 401 == caught.value.code
        with pytest.raises(BusinessError, match="is not an event"):
            ws.on("mesage", print)  # type: ignore[arg-type]
        with pytest.raises(BusinessError, match="is not an event"):
            ws.off("mesage", print)  # type: ignore[arg-type]
        ws.on("message", lambda err, value: later())
        with pytest.raises(TypeError, match="nobody awaits"):
            ws.wait_closed()


def test_the_callback_forms(serve: Serve) -> None:
    """They return at once, and what they are given runs where it waits."""
    told: list[object] = []

    def note(err: BusinessError | None, value: bool | None) -> None:
        told.append(err.code if err else value)

    with create_websocket() as ws:
        ws.send("early", note)
        ws.connect(serve(echo), lambda err, value: ws.send("x", note))
        assert "x" == ws.receive()
        assert [2302999, True] == told
        ws.close({"code": 1}, note)
        ws.connect("wss://", None, note)
        ws.close(note)

    assert [2302999, True, 401, 2302001, True] == told


@pytest.mark.parametrize(("count", "size"), [(4 * MAX_CALLS, 1000), (20, MAX_CALLS_SIZE // 5)])
def test_who_does_not_wait_slows_the_peer_down(serve: Serve, count: int, size: int) -> None:
    """No more callbacks, and no more bytes, pile up than a bounded number, and none is lost."""
    messages = [number.zfill(size) for number in numbers(count)]
    told: list[object] = []
    with create_websocket() as ws:
        ws.on("message", lambda err, value: told.append(value))
        ws.connect(serve(closing(1000, *messages)))
        while not ws.statistics().parked:
            pass
        assert ws.statistics().messages_received < count
        ws.wait_closed()

    assert messages == told


# Callbacks in a worker


def test_callbacks_in_a_worker(serve: Serve) -> None:
    """They run at once, one at a time and in order, in one other thread, which ends with the block."""
    told: list[object] = []
    threads: set[threading.Thread] = set()
    done = threading.Event()

    def note(*arguments: Any) -> None:
        told.extend(arguments[1:])
        threads.add(threading.current_thread())
        if arguments[1:] == ("c",):
            done.set()

    with create_websocket(callbacks="worker") as ws:
        ws.on("message", note)
        ws.on("dataEnd", lambda: told.append("."))
        ws.connect(serve(Keeper(then=texts("a", "b", "c"))))
        assert done.wait(30)

    assert ["a", ".", "b", ".", "c", "."] == told
    assert 1 == len(threads)
    assert threading.current_thread() not in threads


def test_a_worker_may_use_the_socket(serve: Serve) -> None:
    """A callback that sends and closes needs nobody to wait."""
    with create_websocket(callbacks="worker") as ws:
        ws.on("open", lambda err, value: ws.send("hello"))
        ws.on("message", lambda err, value: ws.close({"code": 4000, "reason": value}))
        ws.connect(serve(echo))

        assert CloseResult(4000, "hello", clean=True) == ws.wait_closed()


def test_what_a_callback_raises_in_a_worker(serve: Serve) -> None:
    """The peer gets Close 1001; the error comes out of what waits, and bare out of the block."""
    keeper = Keeper(then=texts("a", "b"))
    told: list[object] = []
    error, cause = ValueError("mine"), KeyError()

    def raise_it(err: None, value: str) -> None:
        told.append(value)
        raise error from cause

    with pytest.raises(ValueError, match="mine") as caught, create_websocket(callbacks="worker") as ws:
        ws.on("message", raise_it)
        ws.on("close", lambda err, value: told.append(value.code))
        ws.connect(serve(keeper))
        while True:
            ws.ping()

    assert error is caught.value
    assert cause is error.__cause__
    assert ["a", 1001] == told
    assert GOING_AWAY == keeper.frames[-1]


def test_a_block_hears_at_its_end_what_a_worker_raised(serve: Serve) -> None:
    """Nothing that a callback raised is lost, though nobody waited."""
    raised = threading.Event()

    def raise_it(err: None, value: str) -> None:
        raised.set()
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"), create_websocket(callbacks="worker") as ws:
        ws.on("message", raise_it)
        ws.connect(serve(Keeper(then=texts("a"))))
        assert raised.wait(30)


# Streams


def test_a_stream(serve: Serve) -> None:
    """It yields payloads to who waits, and ends with what it is about."""
    with create_websocket() as ws, ws.subscribe("message") as messages, ws.subscribe("close") as ends:
        ws.connect(serve(closing(1000, "a", "b", "c")))
        assert "a" == messages.receive(timeout=30)
        assert CloseResult(1000, "", clean=True, by="peer") == ends.receive()
        assert 2 == messages.statistics().items
        assert "b" == messages.receive_nowait()
        assert ["c"] == list(messages)
        with pytest.raises(trio.WouldBlock):
            ends.receive_nowait()
        with pytest.raises(TimeoutError):
            ends.receive(timeout=0)
        ends.close()
        with pytest.raises(trio.ClosedResourceError):
            ends.receive()


def test_a_stream_after_the_block(serve: Serve) -> None:
    """What waits in it can be read when the socket was left."""
    with open_websocket(serve(echo)) as ws:
        ends = ws.subscribe("close")
    with ends:
        assert [CloseResult(1000, "", clean=True)] == list(ends)


@posix
def test_an_interrupted_stream(serve: Serve) -> None:
    """Nothing is lost."""
    with open_websocket(serve(Pressing(TEXT, then=texts("late")))) as ws, ws.subscribe("message") as messages:
        with pytest.raises(KeyboardInterrupt):
            ws.send("now")
            ws.wait_closed()

        assert "late" == messages.receive()


# Several threads


def test_many_threads_send(serve: Serve) -> None:
    """Every message arrives whole, and those of one thread in order."""
    keeper = Keeper()
    with open_websocket(serve(keeper)) as ws, ThreadPoolExecutor(4) as pool:

        def send(name: str) -> None:
            for number in range(50):
                ws.send(f"{name}{number}")

        list(pool.map(send, "abcd"))

    sent = [one.payload.decode() for one in keeper.frames if one.opcode == TEXT]
    for name in "abcd":
        assert [f"{name}{number}" for number in range(50)] == [text for text in sent if text[0] == name]


def test_one_thread_receives(serve: Serve) -> None:
    """A second one is refused, and the first one waits on; callbacks are none of their business."""
    threads: set[threading.Thread] = set()
    with open_websocket(serve(echo)) as ws, ThreadPoolExecutor(2) as pool:
        ws.on("dataEnd", lambda: threads.add(threading.current_thread()))
        both = [pool.submit(ws.receive) for _ in range(2)]
        refused, waiting = wait(both, 30, FIRST_COMPLETED)
        assert isinstance(refused.pop().exception(), trio.BusyResourceError)
        ws.send("x")
        assert "x" == waiting.pop().result(30)

    assert {threading.current_thread()} == threads


def test_who_waits_when_the_block_ends(serve: Serve) -> None:
    """A thread that still waits is told why there is nothing to wait for."""
    with ThreadPoolExecutor(2) as pool:
        with open_websocket(serve(echo)) as ws:
            receiving = pool.submit(ws.receive)
            waiting = pool.submit(ws.subscribe("error").receive)
            ws.ping()
        assert isinstance(receiving.exception(30), EndOfMessages | RuntimeError)
        assert isinstance(waiting.exception(30), trio.EndOfChannel | RuntimeError)


# Operations, of which an interrupt may cut any step short


async def test_an_operation_given_up_before_it_begins() -> None:
    """It is done at once, and never begins."""
    begun = []

    async def begin() -> None:  # noqa: ASYNC124  # it has to be async
        begun.append(True)

    bell: Bell = Bell()
    operation = Operation(begin, None, bell, lambda: 7)
    operation.abandon()
    await operation.run()

    assert operation.done
    assert [] == begun
    assert 7 == operation.due
    assert 1 == bell.qsize()


async def test_an_operation_that_the_end_overtakes() -> None:
    """Who waits for it hears that the socket was left."""
    operation = Operation(trio.sleep_forever, None, Bell(), lambda: 0)
    with trio.CancelScope() as scope:
        scope.cancel()
        await operation.run()

    assert operation.done
    with pytest.raises(RuntimeError, match="the socket was left"):
        operation.result.unwrap()
