"""The callbacks of connect, send and close: when they are called, and what becomes of what they raise."""

from collections.abc import Callable

import pytest
import trio
import trio.testing

from tests.reply import ignore
from trio_ohws import BusinessError, create_websocket
from trio_ohws.testing import ClientClose, MemoryNetwork, MemoryPeer

URL = "ws://example.test/chat"


@pytest.fixture
def network(websocket_network: MemoryNetwork) -> MemoryNetwork:
    """A network of servers that accept, and are polite."""
    websocket_network.serve(MemoryPeer.accept)
    return websocket_network


@pytest.mark.parametrize("method", ["connect", "send", "close"])
async def test_callbacks_of_methods_may_be_async(method: str, network: MemoryNetwork) -> None:
    """An `async def`, and a lambda that returns a coroutine, are awaited in the socket's nursery."""
    calls: list[tuple[object, object]] = []

    async def callback(err: object, value: object) -> None:
        await trio.lowlevel.checkpoint()
        calls.append((err, value))

    for form in (callback, lambda err, value: callback(err, value)):
        async with create_websocket() as ws:
            if method == "connect":
                ws.connect(URL, form)
                await trio.testing.wait_all_tasks_blocked()
            else:
                await ws.connect(URL)
            if method == "send":
                ws.send("x", form)
            if method == "close":
                ws.close(form)

    assert [(None, True)] * 2 == calls


async def test_a_callback_may_await_the_socket(network: MemoryNetwork) -> None:
    """An async callback of `send` can send and close: no deadlock."""
    async with create_websocket() as ws:

        async def then(err: object, value: object) -> None:
            await ws.send("second")
            await ws.close({"code": 3002})

        await ws.connect(URL)
        ws.send("first", then)
        await ws.wait_closed()

    assert ["first", "second"] == network.peers[0].received
    assert ClientClose(3002) == network.peers[0].closed


@pytest.mark.parametrize("form", ["sync", "async"])
@pytest.mark.parametrize(
    "call",
    [
        lambda ws, callback: ws.send("x", callback),
        lambda ws, callback: ws.send(5, callback),
        lambda ws, callback: ws.close(callback),
        lambda ws, callback: ws.close({"code": 1}, callback),
        lambda ws, callback: ws.connect(URL, callback),
    ],
    ids=["send", "send 401", "close", "close 401", "connect 2302003"],
)
async def test_what_a_callback_raises_comes_out_bare(
    call: Callable[..., object], form: str, autojump_clock: trio.testing.MockClock, network: MemoryNetwork
) -> None:
    """An exception in a method's callback ends the block and is itself what comes out of it."""
    fault = LookupError("mine")

    def fail(err: object, value: object) -> None:
        raise fault

    async def fail_later(err: object, value: object) -> None:
        await trio.lowlevel.checkpoint()
        raise fault

    with pytest.raises(LookupError) as caught:
        async with create_websocket() as ws:
            await ws.connect(URL)
            call(ws, fail if form == "sync" else fail_later)
            await trio.sleep_forever()

    assert caught.value is fault


async def test_what_connects_callback_raises_comes_out_bare(
    network: MemoryNetwork, autojump_clock: trio.testing.MockClock
) -> None:
    """When the callback of a successful connect raises, the peer gets Close 1001."""
    fault = LookupError("mine")

    def fail(err: object, value: object) -> None:
        raise fault

    with pytest.raises(LookupError) as caught:
        async with create_websocket() as ws:
            ws.connect(URL, fail)
            await trio.sleep_forever()

    assert caught.value is fault
    assert ClientClose(1001) == network.peers[0].closed
    assert [] == network.peers[0].received


async def test_a_late_callback_is_called(network: MemoryNetwork) -> None:
    """An async `close` listener that finishes while the block ends still has its callbacks called."""
    calls: list[int] = []
    async with create_websocket() as ws:

        async def listener(err: object, value: object) -> None:
            await trio.testing.wait_all_tasks_blocked()
            done = trio.Event()

            def finish(err: BusinessError, value: None) -> None:
                calls.append(err.code)
                done.set()

            ws.send("late", lambda err, value: calls.append(err.code))
            ws.close(finish)
            await done.wait()

        ws.on("close", listener)
        await ws.connect(URL)
        ws.send("early", ignore)

    assert [2302999, 2302999] == calls


async def test_many_replies_give_others_their_turn(network: MemoryNetwork) -> None:
    """A callback that sends again, for ever, starves nobody and can be cancelled."""
    with trio.CancelScope() as scope:
        async with create_websocket() as ws:
            sent = 0

            def again(err: object, value: object) -> None:
                nonlocal sent
                sent += 1
                if err is None:
                    ws.send("", again)

            await ws.connect(URL)
            ws.send("", again)
            for _ in range(5):
                await trio.lowlevel.checkpoint()
            scope.cancel()

    assert sent > 64
    assert scope.cancelled_caught
