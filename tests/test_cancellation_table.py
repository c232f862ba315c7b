"""The table of DESIGN section 5: each call, cancelled after each step of its run.

Afterwards no task and no open stream is left, the connection is usable where that is promised, and what went
over the wire is a sequence of whole frames.
"""

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from tests.checkpoints import Canceller, at_every_step, cancelled_after
from tests.journal import CONNECTED, Journal
from tests.scripted_peer import CLOSE, TEXT, URL, Frame, Peer, frame, polite
from tests.tap import TappedNetwork
from trio_ohws import WebSocket, create_websocket

TOTAL = 12


def tolerant(script: Callable[[Peer], Awaitable[object]]) -> Callable[[Peer], Awaitable[None]]:
    """Return a server to which it is no news that clients vanish, even before the request is complete."""

    async def serve(peer: Peer) -> None:
        try:
            await script(peer)
        except (AssertionError, trio.BrokenResourceError):
            await peer.stream.aclose()

    return serve


async def mute(peer: Peer) -> None:
    """A server that accepts, reads, and says nothing any more."""
    await peer.accept()
    await peer.receive_all()


async def count(peer: Peer) -> None:
    """A server that sends messages one by one, some together."""
    await peer.accept()
    for n in range(TOTAL):
        await peer.send(frame(TEXT, str(n)))
        if n % 3:
            await trio.lowlevel.checkpoint()
    await peer.serve_politely()


# connect


async def test_connect(autojump_clock: trio.testing.MockClock) -> None:
    """Cancelled, no event was told and nothing remains; else open was told. Connecting again works."""

    async def attempt(step: int) -> Canceller:
        async with trio.open_nursery() as nursery:
            network = TappedNetwork(tolerant(polite), nursery)
            async with network.websocket() as ws:
                journal = Journal(ws)
                returned = False
                with cancelled_after(step) as canceller:
                    returned = await ws.connect(URL)

                assert returned is not canceller.caught
                if canceller.caught:
                    assert [] == journal.entries
                    assert ws.state in {"idle", "closed"}
                    assert all(tap.closed for tap in network.taps)
                    assert await ws.connect(URL)
                await ws.send("x")
            assert [*CONNECTED, ("close", 1000, "")] == journal.entries
            assert [Frame(TEXT, b"x"), Frame(CLOSE, b"\x03\xe8")] == network.taps[-1].frames()
            assert all(tap.closed for tap in network.taps)
        return canceller

    await at_every_step(attempt, at_least=10)


async def test_connect_over_a_real_socket() -> None:
    """Cancelled, the server sees the end of each connection that it accepted."""
    accepted = ended = 0

    async def handler(stream: trio.SocketStream) -> None:
        nonlocal accepted, ended
        accepted += 1
        await tolerant(polite)(Peer(stream))
        ended += 1

    async def attempt(step: int) -> Canceller:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, handler, listeners)
            port = listeners[0].socket.getsockname()[1]
            async with create_websocket() as ws:
                with cancelled_after(step) as canceller:
                    await ws.connect(f"ws://127.0.0.1:{port}")
                if canceller.caught:
                    assert ws.state in {"idle", "closed"}
                    assert await ws.connect(f"ws://127.0.0.1:{port}")
            while ended < accepted:
                await trio.testing.wait_all_tasks_blocked(0.001)
            nursery.cancel_scope.cancel()
        return canceller

    await at_every_step(attempt, at_least=10)

    assert 0 < ended == accepted


@pytest.mark.parametrize("name", ["headerReceive", "open"])
async def test_connect_is_cancelled_by_its_own_listener(
    name: str, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """A listener that cancels the scope around connect comes too late: open is told, connect returns True."""
    async with TappedNetwork(polite, nursery).websocket() as ws:
        journal = Journal(ws)
        returned = False
        with trio.CancelScope() as scope:
            if name == "open":
                ws.on("open", lambda err, value: scope.cancel())
            else:
                ws.on("headerReceive", lambda headers: scope.cancel())
            returned = await ws.connect(URL)

        assert CONNECTED == journal.entries
        assert returned
        assert "open" == ws.state
        await ws.send("usable")


# send and flush


async def test_send(autojump_clock: trio.testing.MockClock) -> None:
    """Cancelled, the frame was not queued; returned, it is sent once; the others keep their order."""

    async def attempt(step: int) -> Canceller:
        async with trio.open_nursery() as nursery:
            network = TappedNetwork(polite, nursery, lockstep=True)
            async with network.websocket(send_buffer=1) as ws:
                await ws.connect(URL)
                ws.send_nowait("head")
                sent = False
                async with trio.open_nursery() as senders:
                    senders.start_soon(ws.send, "before")
                    await trio.lowlevel.checkpoint()
                    with cancelled_after(step) as canceller:
                        sent = await ws.send("mine")
                    await ws.send("after")

                assert sent is not canceller.caught
                await ws.flush()
            payloads = [one.payload for one in network.taps[0].frames()]
            assert [b"mine"] * sent == [payload for payload in payloads if payload == b"mine"]
            assert [b"head", b"before", b"after", b"\x03\xe8"] == [one for one in payloads if one != b"mine"]
        return canceller

    await at_every_step(attempt, at_least=3)


async def test_a_large_send(autojump_clock: trio.testing.MockClock) -> None:
    """A frame of a megabyte is on the wire whole or not at all, whenever its send is cancelled."""
    large = b"x" * (1 << 20)

    async def attempt(step: int) -> Canceller:
        async with trio.open_nursery() as nursery:
            network = TappedNetwork(polite, nursery)
            async with network.websocket(send_buffer=1) as ws:
                await ws.connect(URL)
                ws.send_nowait(b"")
                sent = False
                with cancelled_after(step) as canceller:
                    sent = await ws.send(large)
                await ws.send(b"after")
            sizes = [len(one.payload) for one in network.taps[0].frames()]
            assert [0, *[len(large)] * sent, 5, 2] == sizes
        return canceller

    await at_every_step(attempt, at_least=1)


async def test_flush(autojump_clock: trio.testing.MockClock) -> None:
    """Cancelled, what was queued stays queued, and goes out."""

    async def attempt(step: int) -> Canceller:
        async with trio.open_nursery() as nursery:
            network = TappedNetwork(polite, nursery, lockstep=True)
            async with network.websocket() as ws:
                await ws.connect(URL)
                for n in range(5):
                    ws.send_nowait(str(n))
                with cancelled_after(step) as canceller:
                    await ws.flush()
                ws.send_nowait("5")
                await ws.flush()
                assert 0 == ws.statistics().send_queue
            expected = [*(str(n).encode() for n in range(6)), b"\x03\xe8"]
            assert expected == [one.payload for one in network.taps[0].frames()]
        return canceller

    await at_every_step(attempt, at_least=2)


# receive, iteration and batches

Pull = Callable[[WebSocket], Callable[[], Awaitable[list[str | bytes]]]]


def receiving(ws: WebSocket) -> Callable[[], Awaitable[list[str | bytes]]]:
    """By `receive`."""

    async def pull() -> list[str | bytes]:
        return [await ws.receive()]

    return pull


def iterating(ws: WebSocket) -> Callable[[], Awaitable[list[str | bytes]]]:
    """By a step of iteration."""

    async def pull() -> list[str | bytes]:
        return [await anext(ws)]

    return pull


def taking_batches(ws: WebSocket) -> Callable[[], Awaitable[list[str | bytes]]]:
    """By a step over the batches."""
    batches = ws.batches()

    async def pull() -> list[str | bytes]:
        return await anext(batches)

    return pull


def subscribing(ws: WebSocket) -> Callable[[], Awaitable[list[str | bytes]]]:
    """By a stream."""
    stream = ws.subscribe("message", max_items=2)

    async def pull() -> list[str | bytes]:
        return [await stream.receive()]

    return pull


@pytest.mark.parametrize("limit", [1, 256])
@pytest.mark.parametrize("way", [receiving, iterating, taking_batches, subscribing])
async def test_receive(way: Pull, limit: int, autojump_clock: trio.testing.MockClock) -> None:
    """Whenever it is cancelled, no message is lost, repeated or out of order."""

    async def attempt(step: int) -> Canceller:
        received: list[str | bytes] = []
        async with trio.open_nursery() as nursery:
            settings = {"receive_buffer": None if way is subscribing else (limit, 1000)}
            network = TappedNetwork(count, nursery)
            async with network.websocket(**settings) as ws:
                pull = way(ws)
                await ws.connect(URL)
                with cancelled_after(step) as canceller:
                    while len(received) < TOTAL:
                        received += await pull()
                while len(received) < TOTAL:
                    received += await pull()
                await ws.send("usable")
            assert [str(n) for n in range(TOTAL)] == received
            assert [b"usable", b"\x03\xe8"] == [one.payload for one in network.taps[0].frames()]
        return canceller

    await at_every_step(attempt, at_least=5)


# ping and wait_closed


async def test_ping(autojump_clock: trio.testing.MockClock) -> None:
    """Cancelled, its payload may be used again at once, and the late pong disturbs nobody."""

    async def attempt(step: int) -> Canceller:
        async with trio.open_nursery() as nursery:
            network = TappedNetwork(polite, nursery)
            async with network.websocket() as ws:
                await ws.connect(URL)
                with cancelled_after(step) as canceller:
                    await ws.ping(b"same")
                await ws.ping(b"same")
                await ws.ping()
                await ws.send("usable")
            assert Frame(TEXT, b"usable") in network.taps[0].frames()
        return canceller

    await at_every_step(attempt, at_least=3)


@pytest.mark.parametrize("seconds", [0, 5])
async def test_wait_closed(seconds: float, autojump_clock: trio.testing.MockClock) -> None:
    """Cancelled, the connection goes on."""
    async with trio.open_nursery() as nursery:
        network = TappedNetwork(polite, nursery)
        async with network.websocket() as ws:
            await ws.connect(URL)
            with trio.move_on_after(seconds) as scope:
                await ws.wait_closed()

            assert scope.cancelled_caught
            assert "open" == ws.state
            await ws.send("usable")

    assert [Frame(TEXT, b"usable"), Frame(CLOSE, b"\x03\xe8")] == network.taps[0].frames()


# close


@pytest.mark.parametrize("script", [polite, mute])
@pytest.mark.parametrize("method", ["close", "aclose"])
async def test_close(
    method: str, script: Callable[[Peer], Awaitable[object]], autojump_clock: trio.testing.MockClock
) -> None:
    """Cancelled, the connection is dropped at once and `close` told; the socket can connect again."""

    async def attempt(step: int) -> Canceller:
        async with trio.open_nursery() as nursery:
            network = TappedNetwork(tolerant(script), nursery, lockstep=True)
            async with network.websocket() as ws:
                journal = Journal(ws)
                await ws.connect(URL)
                ws.send_nowait("queued")
                with cancelled_after(step) as canceller:
                    await (ws.close() if method == "close" else ws.aclose())

                assert "closed" == ws.state
                assert [*CONNECTED, ("close", 1000, "")] == journal.entries
                assert network.taps[0].closed
                assert ws.close_result is not None
                if canceller.caught:
                    assert canceller.at == trio.current_time()
                else:
                    assert (script is polite) is ws.close_result.clean
                assert await ws.connect(URL)
            whole = [Frame(TEXT, b"queued"), Frame(CLOSE, b"\x03\xe8")]
            frames = network.taps[0].frames()
            assert whole[: len(frames)] == frames
        return canceller

    await at_every_step(attempt, at_least=3)


@pytest.mark.parametrize("method", ["close", "aclose"])
async def test_close_while_connecting(method: str, autojump_clock: trio.testing.MockClock) -> None:
    """Cancelled or not, the attempt ends at once, and its connect raises."""

    async def attempt(step: int) -> Canceller:
        async with trio.open_nursery() as nursery:
            network = TappedNetwork(tolerant(Peer.receive_all), nursery)
            async with network.websocket() as ws:
                journal = Journal(ws)
                told: list[int] = []
                ws.connect(URL, lambda err, value: told.append(err.code))
                for _ in range(3):
                    await trio.lowlevel.checkpoint()
                with cancelled_after(step) as canceller:
                    await (ws.close() if method == "close" else ws.aclose())

                assert "closed" == ws.state
                await trio.testing.wait_all_tasks_blocked()
                assert [2302999] == told
                assert [] == journal.entries
            assert all(tap.closed for tap in network.taps)
        return canceller

    await at_every_step(attempt, at_least=1)


# The nursery around it


async def test_the_block(autojump_clock: trio.testing.MockClock) -> None:
    """Whenever all is cancelled: the body can still send, then Close 1001 goes out, then nothing is left."""

    async def attempt(step: int) -> Canceller:
        async with trio.open_nursery() as nursery:
            network = TappedNetwork(tolerant(count), nursery)
            received: list[str | bytes] = []
            was_open = False
            with cancelled_after(step) as canceller:
                async with network.websocket() as ws:
                    journal = Journal(ws, but=("message", "dataEnd"))

                    async def listener(err: None, value: object) -> None:
                        await trio.lowlevel.checkpoint()

                    ws.on("open", listener)
                    ws.on("close", listener)
                    try:
                        await ws.connect(URL)
                        ws.send("by callback", lambda err, value: None)
                        while len(received) < TOTAL:
                            received += await anext(ws.batches())
                        await ws.send("all")
                        await ws.flush()
                    finally:
                        was_open = ws.state == "open"
                        if was_open:
                            with trio.CancelScope(shield=True):
                                await ws.send("last words")

            assert [str(n) for n in range(len(received))] == received
            assert all(tap.closed for tap in network.taps)
            if was_open:
                assert CONNECTED == journal.entries[:2]
                [(name, code, reason)] = journal.entries[2:]
                assert "close" == name
                assert (code, reason) in {(1000, ""), (1001, "")}
                frames = network.taps[0].frames()
                assert [Frame(TEXT, b"last words"), Frame(CLOSE, code.to_bytes(2, "big"))] == frames[-2:]  # type: ignore[attr-defined]  # the journal keeps objects
                assert "closed" == ws.state
            elif step:
                assert [] == journal.entries
        return canceller

    await at_every_step(attempt, at_least=20)
