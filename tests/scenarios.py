"""What a socket is used for, one function each, to be cancelled at each of its steps by `cancel_points`."""

import functools
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
import trustme

from tests._dial.network import FailingSocket, Names, Sockets
from tests.cancel_points import TARGETS, URL, Scenario, Target, Trial
from tests.foreign_peer import Manners
from trio_ohws import AlreadyClosed, BusinessError, WebSocket
from trio_ohws.events.queue import OVERFLOWS, Overflow

SCENARIOS: dict[str, Scenario] = {}
"""All of them, by name."""

COUNT = tuple(str(n) for n in range(8))
LARGE = b"x" * 100_000
VERY_LARGE = b"x" * 400_000
SQUEEZABLE = tuple(f"squeeze me {n} " * 50 for n in range(4))

Function = Callable[[Trial], Awaitable[None]]


class Boom(Exception):
    """Raised by a body or a callback."""


def scenario(*targets: Target, real: bool = False, name: str = "") -> Callable[[Function], Function]:
    """Register a scenario, in which everything is cancelled unless `targets` says what."""

    def register(function: Function) -> Function:
        made = Scenario(name or function.__name__, function, targets or TARGETS, real)
        SCENARIOS[made.name] = made
        return function

    return register


# connect


@scenario()
async def connect_over_memory(trial: Trial) -> None:
    """A stream that somebody else opened."""
    async with trial.socket(connects=False) as ws:
        with trial.call():
            await trial.connect(ws)


async def connect(trial: Trial, url: str, options: dict[str, Any] | None = None, **settings: Any) -> None:
    """Connect by real sockets."""
    async with trial.socket(url, options, connects=False, **settings) as ws:
        with trial.call():
            await trial.connect(ws, url, options)


@scenario("caller", "nursery", real=True)
async def connect_over_tcp(trial: Trial) -> None:
    """The address is known."""
    await connect(trial, f"ws://127.0.0.1:{await trial.listen()}")


@functools.cache
def authority() -> trustme.CA:
    """Who is trusted; made once, since that takes a while."""
    return trustme.CA()


@scenario("caller", "nursery", real=True)
async def connect_over_tls(trial: Trial) -> None:
    """The server is who it says."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority().issue_cert("127.0.0.1").configure_cert(server)
    authority().configure_trust(client)

    async def encrypt(stream: trio.abc.Stream) -> trio.abc.Stream:  # noqa: ASYNC124  # others have to wait
        return trio.SSLStream(stream, server, server_side=True, https_compatible=True)

    await connect(trial, f"wss://127.0.0.1:{await trial.listen(encrypt)}", ssl_context=client)


@scenario("caller", "nursery", real=True)
async def connect_through_a_proxy(trial: Trial) -> None:
    """The proxy is the server as well, once it has answered CONNECT."""

    async def answer(stream: trio.abc.Stream) -> trio.abc.Stream:
        head = b""
        while not head.endswith(b"\r\n\r\n") and (data := await stream.receive_some()):
            head += data
        if head:
            await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
        return stream

    proxy = {"host": "127.0.0.1", "port": await trial.listen(answer)}
    await connect(trial, "ws://198.51.100.1", {"proxy": proxy})


@scenario("caller", "nursery", real=True)
async def connect_to_the_second_address(trial: Trial) -> None:
    """The first one does not answer: happy eyeballs."""
    url = f"ws://two.test:{await trial.listen()}"
    mute = FailingSocket(None)
    trio.socket.set_custom_hostname_resolver(Names("127.0.0.2", "127.0.0.1"))
    sockets = Sockets(mute)
    trio.socket.set_custom_socket_factory(sockets)
    await connect(trial, url)
    assert mute.closed or mute in sockets.first


@scenario()
async def connect_is_refused(trial: Trial) -> None:
    """The server says 403, once."""
    trial.manners = Manners(refuses=1)
    async with trial.socket(connects=False) as ws:
        try:
            with trial.call(), pytest.raises(BusinessError, match="403"):
                await ws.connect(URL)
        finally:
            trial.manners = Manners()


@scenario()
async def connect_by_callback(trial: Trial) -> None:
    """The attempt is a task of the socket's: it outlives the body's wait for it."""
    async with trial.socket(connects=False) as ws:
        answered = trio.Event()
        ws.connect(URL, lambda err, value: answered.set())
        with trial.call(waits=True):
            await answered.wait()


@scenario()
async def connect_again(trial: Trial) -> None:
    """The same object, after its close."""
    async with trial.socket(usable=False) as ws:
        with trial.call():
            assert await ws.close() is True
        assert ws.state == "closed"
        with trial.call():
            await trial.connect(ws)


# send


@scenario()
async def send(trial: Trial) -> None:
    """Small messages, one after the other, among them the one at which others have their turn."""
    trial.manners = Manners(echoes=False)
    async with trial.socket() as ws:
        for text in COUNT * 9:
            with trial.call():
                await trial.send(ws, text)


@scenario()
async def send_in_line(trial: Trial) -> None:
    """Large messages that have to wait, and others that wait in front and behind."""
    trial.lockstep = True
    trial.manners = Manners(read_size=16384)
    async with trial.socket(send_buffer=1) as ws:
        ws.send_nowait("head")
        trial.queued("head")
        called = trio.Event()

        async def send_in_front() -> None:
            called.set()
            await trial.send(ws, "in front")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_in_front)
            await called.wait()
            with trial.call():
                await trial.send(ws, LARGE)
            nursery.start_soon(trial.send, ws, "behind")


@scenario("caller", "nursery", real=True)
async def send_over_tcp(trial: Trial) -> None:
    """More than the operating system takes at once, so that the writer waits in the midst of a frame."""
    trial.manners = Manners(echoes=False)
    async with trial.socket(f"ws://127.0.0.1:{await trial.listen()}", send_buffer=1) as ws:
        for _ in range(2):
            with trial.call():
                await trial.send(ws, VERY_LARGE)


@scenario()
async def send_compressed(trial: Trial) -> None:
    """What a cancelled send compressed, the peer would miss in its window."""
    trial.lockstep = True
    async with trial.socket(compression="deflate", send_buffer=1) as ws:
        for text in SQUEEZABLE:
            with trial.call():
                await trial.send(ws, text)


@scenario()
async def send_nowait_and_flush(trial: Trial) -> None:
    """A cancelled flush takes nothing back."""
    trial.lockstep = True
    async with trial.socket() as ws:
        for text in COUNT:
            ws.send_nowait(text)
            trial.queued(text)
        with trial.call():
            await ws.flush()


@scenario()
async def send_by_callback(trial: Trial) -> None:
    """Queued before the call returns, whatever is cancelled then."""
    async with trial.socket(send_buffer=1) as ws:
        told: list[object] = []
        done = trio.Event()
        for text in COUNT:
            ws.send(text, lambda err, value: told.append(value))
            trial.queued(text)
        ws.send("done", lambda err, value: done.set())
        trial.queued("done")
        with trial.call():
            await done.wait()
            assert told == [True] * len(COUNT)


# receive


@scenario()
async def receive(trial: Trial) -> None:
    """One by one."""
    trial.pushed(*COUNT)
    async with trial.socket() as ws:
        while len(trial.received) < len(COUNT):
            with trial.call():
                await trial.receive(ws)


@scenario()
async def receive_slowly(trial: Trial) -> None:
    """The reader waits for the consumer, longer than the keepalive has patience."""
    trial.pushed(*COUNT)
    async with trial.socket(receive_buffer=(1, 10)) as ws:
        while len(trial.received) < len(COUNT):
            with trial.call(waits=True):
                await trio.sleep(40)
                await trial.receive(ws)


@scenario()
async def receive_compressed(trial: Trial) -> None:
    """Each message needs the one before it."""
    trial.pushed(*SQUEEZABLE)
    async with trial.socket(compression="deflate") as ws:
        while len(trial.received) < len(SQUEEZABLE):
            with trial.call():
                await trial.receive(ws)


@scenario()
async def iterate(trial: Trial) -> None:
    """With a queue that is full at once."""
    trial.pushed(*COUNT)
    async with trial.socket(receive_buffer=(2, 100)) as ws:
        with trial.call():
            async for message in ws:
                trial.received.append(message)
                if len(trial.received) == len(COUNT):
                    break


@scenario()
async def iterate_over_batches(trial: Trial) -> None:
    """A batch comes whole, or stays."""
    trial.pushed(*COUNT)
    async with trial.socket(receive_buffer=(3, 100)) as ws:
        batches = ws.batches()
        while len(trial.received) < len(COUNT):
            with trial.call():
                trial.received.extend(await anext(batches))


@scenario()
async def listen(trial: Trial) -> None:
    """By a plain callback, which gets the backlog first."""
    trial.pushed(*COUNT)
    async with trial.socket(pulls=False) as ws:
        done = trio.Event()

        def take(err: None, message: str | bytes) -> None:
            trial.received.append(message)
            if len(trial.received) == len(COUNT):
                done.set()

        ws.on("message", take)
        with trial.call():
            await done.wait()


@scenario()
async def listen_once(trial: Trial) -> None:
    """One message for the callback, the rest to be pulled."""
    trial.pushed(*COUNT)
    async with trial.socket() as ws:
        taken = trio.Event()

        def take(err: None, message: str | bytes) -> None:
            trial.received.append(message)
            taken.set()

        ws.once("message", take)
        try:
            with trial.call():
                await taken.wait()
        finally:
            with trio.CancelScope(shield=True):
                await taken.wait()
        with trial.call():
            await trial.receive(ws)


@scenario()
async def listen_and_answer(trial: Trial) -> None:
    """By an async callback that sends."""
    trial.pushed(*COUNT, echoes=False)
    async with trial.socket(pulls=False, send_buffer=1) as ws:
        done = trio.Event()

        async def answer(err: None, message: str) -> None:
            trial.received.append(message)
            if len(trial.received) == len(COUNT):
                done.set()
            try:
                with trial.call():
                    await trial.send(ws, f"re {message}")
            except AlreadyClosed:
                pass  # the body has ended already

        ws.on("message", answer)
        await done.wait()


@scenario()
async def listen_and_close(trial: Trial) -> None:
    """By an async callback that closes, and one that hears of it and wants to send."""
    trial.pushed(*COUNT)
    async with trial.socket(pulls=False, usable=False) as ws:
        heard = trio.Event()

        async def close(err: None, message: str) -> None:
            try:
                with trial.call():
                    assert await ws.close({"code": 3000}) is True
            except BusinessError:
                pass  # the body has ended already

        async def hear(err: None, result: object) -> None:
            with trial.call(), pytest.raises(BusinessError):
                await ws.send("too late")
            heard.set()

        ws.once("message", close)
        ws.on("close", hear)
        await heard.wait()


@scenario()
async def listen_slowly_to_pieces(trial: Trial) -> None:
    """By an async callback that takes its time over each piece."""
    trial.pushed("abcdefghij", "klmnopqrst", echoes=False)
    trial.expected = ["abcd", "efgh", "ij", "klmn", "opqr", "st"]
    async with trial.socket(pulls=False, fragment_size=4) as ws:
        done = trio.Event()

        async def take(err: None, piece: str) -> None:
            with trial.call():
                await trio.sleep(1)
            trial.received.append(piece)
            if piece == "st":
                done.set()

        ws.on("message", take)
        await done.wait()


async def subscribe(trial: Trial, overflow: Overflow) -> None:
    """Each message is received, or counted as dropped, in order; those behind "close" never come."""
    trial.pushed(*COUNT, echoes=False)
    trial.expected = []
    async with trial.socket(
        connects=False, pulls=False, receive_buffer=None, usable=overflow != "close"
    ) as ws:
        async with ws.subscribe("message", max_items=2, overflow=overflow) as stream:
            await ws.connect(URL)
            received: list[str | bytes] = []
            try:
                while len(received) + stream.statistics().dropped < len(COUNT):
                    with trial.call():
                        received.append(await stream.receive())
            except trio.EndOfChannel:
                assert overflow == "close"
            assert received == sorted(set(received))
            if overflow in ("drop_oldest", "latest"):
                assert received[-1] == COUNT[-1]
            elif overflow != "wait":
                assert received[0] == COUNT[0]


for _overflow in OVERFLOWS:
    scenario(name=f"subscribe_{_overflow}")(functools.partial(subscribe, overflow=_overflow))  # type: ignore[arg-type]  # one of them


# ping


@scenario()
async def ping(trial: Trial) -> None:
    """With a payload that is free again afterwards, and a pong that comes late."""
    trial.manners = Manners(pong_after_s=1)
    async with trial.socket() as ws:
        with trial.call():
            assert await ws.ping(b"alone") == 1
        with trial.call():
            assert await ws.ping(b"alone") >= 0


@scenario()
async def keep_alive(trial: Trial) -> None:
    """The keepalive's own ping is in flight."""
    trial.manners = Manners(pong_after_s=5)
    async with trial.socket(ping_interval=10, ping_timeout=10) as ws:
        with trial.call():
            await trio.sleep(27)
        assert ws.latency in (None, 5)


# close


async def close_with(trial: Trial, close: Callable[[WebSocket], Awaitable[object]], *, clean: bool) -> None:
    """Close while something is queued: cancelled or not, it is closed then, and says whether it was clean."""
    trial.lockstep = True
    async with trial.socket(usable=False) as ws:
        ws.send_nowait("queued")
        trial.queued("queued")
        closed = False
        with trial.call():
            await close(ws)
            closed = True
        assert ws.state == "closed"
        assert ws.close_result is not None
        assert (ws.close_result.code, ws.close_result.by) == (1000, "local")
        assert clean or not ws.close_result.clean
        assert ws.close_result.clean or not (clean and closed)


@scenario()
async def close(trial: Trial) -> None:
    """The peer answers."""
    await close_with(trial, WebSocket.close, clean=True)


@scenario()
async def close_to_a_mute_peer(trial: Trial) -> None:
    """The peer does not answer."""
    trial.manners = Manners(answers=False)
    await close_with(trial, WebSocket.close, clean=False)


@scenario()
async def aclose(trial: Trial) -> None:
    """As the resource that it is."""
    await close_with(trial, WebSocket.aclose, clean=True)


@scenario()
async def close_by_callback(trial: Trial) -> None:
    """The closing outlives the body's wait for it."""
    async with trial.socket(usable=False) as ws:
        closed = trio.Event()
        ws.close(lambda err, value: closed.set())
        with trial.call():
            await closed.wait()


@scenario()
async def close_while_connecting(trial: Trial) -> None:
    """The attempt is given up, if it is not through already."""
    async with trial.socket(connects=False, usable=False) as ws:
        told: list[BusinessError | None] = []
        ws.connect(URL, lambda err, value: told.append(err))
        for _ in range(3):
            await trio.lowlevel.checkpoint()
        with trial.call():
            await ws.close()
        assert ws.state == "closed"
        with trio.CancelScope(shield=True):
            await trio.testing.wait_all_tasks_blocked()
        [error] = told
        assert error is None or error.code == 2302999


@scenario()
async def wait_closed_in_vain(trial: Trial) -> None:
    """Nobody closes, and the connection goes on."""
    async with trial.socket() as ws:
        with trial.call(), trio.move_on_after(5) as patience:
            await ws.wait_closed()
        assert ws.state == "open"
        assert patience.cancelled_caught or trial.fired


@scenario()
async def wait_closed(trial: Trial) -> None:
    """The peer closes; waiting for it does not hasten it."""
    trial.pushed(*COUNT)
    trial.manners = Manners(push=COUNT, closes=1001)
    async with trial.socket(usable=False) as ws:
        with trial.call():
            result = await ws.wait_closed()
            assert (result.code, result.by, result.clean) == (1001, "peer", True)


@scenario()
async def iterate_to_the_end(trial: Trial) -> None:
    """The peer closes: the iteration ends when all was received."""
    trial.pushed(*COUNT)
    trial.manners = Manners(push=COUNT, closes=1000)
    async with trial.socket(usable=False) as ws:
        ended = False
        while not ended:
            with trial.call():
                async for message in ws:
                    trial.received.append(message)
                ended = True
        assert trial.received == trial.expected


@scenario("caller", "nursery")
async def everything_at_once(trial: Trial) -> None:
    """A task for each of those who can wait."""
    trial.pushed(*COUNT)
    trial.lockstep = True
    async with trial.socket(send_buffer=1) as ws:

        async def receive_all() -> None:
            for _ in COUNT:
                await trial.receive(ws)

        async def send_all() -> None:
            for text in COUNT:
                await trial.send(ws, text)

        with trial.call():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive_all)
                nursery.start_soon(send_all)
                nursery.start_soon(trial.send, ws, LARGE)
                nursery.start_soon(ws.ping, b"alone")
                nursery.start_soon(ws.flush)


# Leaving


@scenario("nursery")
async def leave(trial: Trial) -> None:
    """The body ends by itself: what is queued goes out, then Close 1000."""
    trial.lockstep = True
    async with trial.socket() as ws:
        ws.send_nowait(LARGE)
        trial.queued(LARGE)


@scenario("nursery")
async def leave_a_mute_peer(trial: Trial) -> None:
    """It gets our Close, and never answers."""
    trial.manners = Manners(answers=False)
    async with trial.socket() as ws:
        await trial.send(ws, "queued")


@scenario("nursery")
async def leave_a_stalled_peer(trial: Trial) -> None:
    """It reads nothing for a while: the goodbye must not take longer than it may."""
    trial.lockstep = True
    trial.manners = Manners(stalls_s=60)
    async with trial.socket(ends_in_time=False) as ws:
        ws.send_nowait(LARGE)
        trial.queued(LARGE)
        await trio.sleep(1)


@scenario("nursery")
async def leave_with_listeners_at_work(trial: Trial) -> None:
    """By itself, they finish what is queued, one for `close` too; cancelled, they end."""
    trial.pushed(*COUNT, echoes=False)
    async with trial.socket(pulls=False) as ws:
        told: list[object] = []

        async def hear(err: None, result: object) -> None:
            await trio.sleep(1)
            told.append(result)

        async def take(err: None, message: str) -> None:
            await trio.sleep(0.1)
            trial.received.append(message)

        ws.on("close", hear)
        ws.on("message", take)
        await trio.sleep(0.25)
    assert trial.fired or (len(told), trial.received) == (1, trial.expected)


@scenario("nursery")
async def raise_in_the_body(trial: Trial) -> None:
    """What it raises comes out, bare, after a goodbye."""
    try:
        async with trial.socket() as ws:
            await trial.send(ws, "x")
            raise Boom
    except Boom:
        assert trial.peers[0].close_code in (None, 1001)
    else:
        assert trial.fired


@scenario("nursery", "body")
async def raise_in_a_callback(trial: Trial) -> None:
    """What it raises comes out, bare, after a goodbye."""
    trial.pushed(*COUNT)

    def fail(err: None, message: str) -> None:
        raise Boom

    try:
        async with trial.socket(pulls=False, usable=False) as ws:
            ws.on("message", fail)
            await trio.sleep_forever()
    except Boom:
        pass
    else:
        assert trial.fired
