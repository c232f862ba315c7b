"""What works before the socket's block, how it is entered, and what remains after it."""

import dataclasses
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from tests.journal import CONNECTED, EVENTS, Journal
from tests.memory_echo import echo
from tests.reply import Reply, ignore
from trio_ohws import BusinessError, CloseResult, EndOfMessages, State, WebSocket, create_websocket
from trio_ohws.testing import MemoryNetwork, MemoryPeer, frame
from trio_ohws.testing.frames import TEXT

URL = "ws://example.test/chat"

NOT_ENTERED = (
    "the socket is not entered: write 'async with create_websocket() as ws:' and use it inside "
    "(only on, once, off and subscribe work before)"
)
LEFT = "the socket was left: its 'async with' block has ended; create a new one"


NEED_TO_BE_ENTERED: dict[str, Callable[[WebSocket], Awaitable[object]]] = {
    "connect": lambda ws: ws.connect(URL),
    "send": lambda ws: ws.send("x"),
    "flush": lambda ws: ws.flush(),
    "close": lambda ws: ws.close(),
    "receive": lambda ws: ws.receive(),
    "anext": lambda ws: anext(ws),
    "batches": lambda ws: anext(ws.batches()),
    "ping": lambda ws: ws.ping(),
    "wait_closed": lambda ws: ws.wait_closed(),
}
CALLS_WITH_CALLBACK: dict[str, Callable[[WebSocket, Callable[..., object]], object]] = {
    "connect": lambda ws, callback: ws.connect(URL, callback),
    "connect with options": lambda ws, callback: ws.connect(URL, None, callback),
    "send": lambda ws, callback: ws.send("x", callback),
    "close": lambda ws, callback: ws.close(callback),
    "close with options": lambda ws, callback: ws.close({"code": 1000}, callback),
}


@pytest.mark.parametrize("call", NEED_TO_BE_ENTERED.values(), ids=NEED_TO_BE_ENTERED.keys())
async def test_what_needs_the_block_says_so(call: Callable[[WebSocket], Awaitable[object]]) -> None:
    """Before the socket is entered its coroutines raise a RuntimeError that says what to write."""
    with pytest.raises(RuntimeError) as caught:
        await call(create_websocket())

    assert NOT_ENTERED == str(caught.value)


@pytest.mark.parametrize("call", CALLS_WITH_CALLBACK.values(), ids=CALLS_WITH_CALLBACK.keys())
def test_callback_forms_need_the_block_too(call: Callable[..., object]) -> None:
    """Before the socket is entered a callback form raises at once, since it cannot call back."""
    with pytest.raises(RuntimeError) as caught:
        call(create_websocket(), ignore)

    assert NOT_ENTERED == str(caught.value)


def test_send_nowait_needs_the_block_too() -> None:
    """Before the socket is entered send_nowait raises the same sentence."""
    with pytest.raises(RuntimeError) as caught:
        create_websocket().send_nowait("x")

    assert NOT_ENTERED == str(caught.value)


def test_nothing_is_raised_until_a_coroutine_is_awaited() -> None:
    """Calling connect, send or close without a callback does nothing, whatever the arguments."""
    ws = create_websocket()
    wrong: Any = 5
    coroutines: list[Coroutine[Any, Any, bool]] = [
        ws.connect(wrong, wrong),
        ws.send(wrong),
        ws.close(wrong),
    ]

    assert State.IDLE == ws.state
    for coroutine in coroutines:
        coroutine.close()


def test_what_works_before_the_block() -> None:
    """Listeners and streams are registered before entering; every property has a value."""
    ws = create_websocket()
    for name in EVENTS:
        ws.on(name, ignore)
        ws.once(name, ignore)
        ws.off(name, ignore)
        ws.off(name)
        ws.subscribe(name)

    assert "idle" == ws.state
    assert ws.url is None
    assert ws.subprotocol is None
    assert {} == dict(ws.response_headers)
    assert ws.close_result is None
    assert ws.latency is None
    assert not any(value for name, value in dataclasses.asdict(ws.statistics()).items() if name != "state")


async def test_listeners_registered_before_the_block_hear(websocket_network: MemoryNetwork) -> None:
    """What was registered first, ArkTS style, hears everything, an async callback included."""
    websocket_network.serve(echo)
    ws = create_websocket()
    heard = []

    async def on_message(err: None, value: str) -> None:
        await trio.lowlevel.checkpoint()
        heard.append(value)

    journal = Journal(ws, but=("message",))
    ws.on("message", on_message)
    stream = ws.subscribe("message")
    async with ws:
        await ws.connect(URL)
        await ws.send("a")

        assert "a" == await stream.receive()
    assert ["a"] == heard
    assert [*CONNECTED, ("dataEnd",), ("close", 1000, "")] == journal.entries


async def test_aclose_of_a_socket_that_was_never_used_is_fine() -> None:
    """`aclose` never raises because there is nothing to close."""
    ws = create_websocket()
    await ws.aclose()
    async with ws:
        await ws.aclose()
    await ws.aclose()

    assert "idle" == ws.state


async def test_a_socket_is_entered_once() -> None:
    """A second `async with` is refused, during and after the first."""
    ws = create_websocket()
    async with ws:
        with pytest.raises(RuntimeError, match="can be entered only once; create a new one"):
            await ws.__aenter__()
    with pytest.raises(RuntimeError, match="can be entered only once; create a new one"):
        await ws.__aenter__()


async def test_connect_after_the_block(websocket_network: MemoryNetwork) -> None:
    """A socket that was left cannot connect, and says so."""
    websocket_network.serve(MemoryPeer.accept)
    async with create_websocket() as ws:
        pass
    with pytest.raises(RuntimeError) as caught:
        await ws.connect(URL)

    assert LEFT == str(caught.value)


@pytest.mark.parametrize("used", [False, True], ids=["never connected", "connected before"])
@pytest.mark.parametrize("call", CALLS_WITH_CALLBACK.values(), ids=CALLS_WITH_CALLBACK.keys())
async def test_callback_forms_after_the_block(
    call: Callable[..., object], used: bool, websocket_network: MemoryNetwork
) -> None:
    """A socket that was left has no task to call back from, so the callback forms raise."""
    reply = Reply()
    websocket_network.serve(MemoryPeer.accept)
    async with create_websocket() as ws:
        if used:
            await ws.connect(URL)
            ws.send("x", ignore)
            await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(RuntimeError) as caught:
        call(ws, reply)

    assert LEFT == str(caught.value)
    assert [] == reply.calls


async def test_an_async_listener_after_the_block_is_never_left_behind(
    websocket_network: MemoryNetwork,
) -> None:
    """Registering a callback on a socket that was left starts nothing."""
    websocket_network.serve(MemoryPeer.accept)
    async with create_websocket() as ws:
        pass

    async def listener(err: object, value: object) -> None:
        await trio.lowlevel.checkpoint()

    before = trio.lowlevel.current_statistics().tasks_living
    for name in EVENTS:
        ws.on(name, listener)

    assert before == trio.lowlevel.current_statistics().tasks_living


async def test_what_remains_after_the_block(websocket_network: MemoryNetwork) -> None:
    """A socket that was left still tells how it went; receive hands out what had arrived, then ends."""
    script = partial(MemoryPeer.accept, then=frame(TEXT, "last"))

    websocket_network.serve(script)

    async with create_websocket() as ws:
        await ws.connect(URL)
        await trio.testing.wait_all_tasks_blocked()
    expected = CloseResult(1000, "", clean=True, by="local")

    assert "closed" == ws.state
    assert expected == ws.close_result
    assert expected == await ws.wait_closed()
    assert "last" == await ws.receive()
    with pytest.raises(EndOfMessages):
        await ws.receive()
    assert [] == [message async for message in ws]
    with pytest.raises(trio.ClosedResourceError):
        await ws.send("x")
    with pytest.raises(trio.ClosedResourceError):
        ws.send_nowait("x")
    with pytest.raises(trio.ClosedResourceError):
        await ws.flush()
    with pytest.raises(trio.ClosedResourceError):
        await ws.ping()
    with pytest.raises(BusinessError, match="closed already"):
        await ws.close()
    await ws.aclose()


async def test_connecting_while_the_block_is_being_left(websocket_network: MemoryNetwork) -> None:
    """A close listener that always connects again does not spoil a plain exit: its callback gets 2302999."""
    told: list[str] = []
    websocket_network.serve(MemoryPeer.accept)
    async with create_websocket() as ws:
        ws.on("close", lambda err, value: ws.connect(URL, lambda err, value: told.append(err.message)))
        await ws.connect(URL)

    assert ["being left" in message for message in told] == [True]
    assert 1 == len(websocket_network.peers)
