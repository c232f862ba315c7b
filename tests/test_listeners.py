"""on, once, off and subscribe of every event, and how messages are pulled."""

from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from tests.journal import EVENTS
from tests.memory_echo import echo
from tests.reply import ignore
from trio_ohws import BusinessError, CloseResult, OpenResult, create_websocket
from trio_ohws.events.model import EventName
from trio_ohws.testing import ClientClose, MemoryNetwork, MemoryPeer, frame
from trio_ohws.testing.frames import TEXT

URL = "ws://example.test/chat"

PUSHING = "a 'message' callback gets the messages: take it off, or use subscribe('message') beside it"


# Events


@pytest.mark.parametrize("name", EVENTS)
async def test_on_and_off_of_every_event(name: EventName, websocket_network: MemoryNetwork) -> None:
    """A callback hears its event in each connection until it is taken off; `off` alone takes all off."""

    async def script(peer: MemoryPeer) -> None:
        await peer.accept(then=frame(TEXT, "x"))
        if name == "error":
            peer.drop()

    websocket_network.serve(script)

    async with create_websocket() as ws:
        told: list[str] = []

        def once(*arguments: object) -> None:
            told.append("once")

        def first(*arguments: object) -> None:
            told.append("first")

        def second(*arguments: object) -> None:
            told.append("second")

        async def connection() -> list[str]:
            told.clear()
            await ws.connect(URL)
            await trio.testing.wait_all_tasks_blocked()
            await ws.aclose()
            return list(told)

        ws.on(name, first)
        ws.once(name, once)
        ws.on(name, second)
        ws.on(name, first)

        assert ["first", "once", "second", "first"] == await connection()
        assert ["first", "second", "first"] == await connection()
        ws.off(name, first)
        assert ["second", "first"] == await connection()
        ws.off(name, once)
        ws.off(name, first)
        ws.off(name, first)
        assert ["second"] == await connection()
        ws.on(name, first)
        ws.off(name)
        assert [] == await connection()


async def test_bound_methods_are_taken_off(websocket_network: MemoryNetwork) -> None:
    """`off` compares, so a bound method, which is a new object each time, is found."""

    class Listener:
        def __init__(self) -> None:
            self.heard: list[object] = []

        def hear(self, err: object, value: object) -> None:
            self.heard.append(value)

    websocket_network.serve(MemoryPeer.accept)

    async with create_websocket() as ws:
        listener = Listener()
        ws.on("open", listener.hear)
        await ws.connect(URL)
        ws.off("open", listener.hear)
        await ws.close()
        await ws.connect(URL)

    assert [OpenResult(101, "Switching Protocols")] == listener.heard


@pytest.mark.parametrize("method", ["on", "once", "off", "subscribe"])
@pytest.mark.parametrize("name", ["opened", "", "Message", "dataend", 5, None, ["open"]], ids=repr)
def test_an_unknown_event_is_401_at_once(method: str, name: Any) -> None:
    """A name that is no event, of whatever type, is refused by the call, and the message lists the events."""
    ws = create_websocket()
    with pytest.raises(BusinessError) as caught:
        getattr(ws, method)(name, *[ignore] * (method != "subscribe"))

    assert 401 == caught.value.code
    assert f"{name!r} is not an event" in caught.value.message
    assert all(event in caught.value.message for event in EVENTS)


@pytest.mark.parametrize("method", ["on", "once", "off"])
def test_a_listener_that_cannot_be_called_is_401_at_once(method: str) -> None:
    """A callback that is no callable is refused by the call, and named by its type."""
    with pytest.raises(BusinessError) as caught:
        getattr(create_websocket(), method)("open", 5)

    assert 401 == caught.value.code
    assert "callback must be callable, not int" in caught.value.message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"overflow": "drop"},
            "overflow is one of wait, drop_oldest, drop_newest, latest, close, not 'drop'",
        ),
        ({"overflow": ["wait"]}, "not ['wait']"),
        ({"max_items": 0}, "max_items must be an int of at least 1, not 0"),
        ({"max_items": 1.5}, "max_items must be an int of at least 1, not 1.5"),
        ({"max_items": True}, "max_items must be an int of at least 1, not True"),
        ({"max_bytes": 0}, "max_bytes must be an int of at least 1, not 0"),
        ({"max_bytes": None}, "max_bytes must be an int of at least 1, not None"),
    ],
    ids=str,
)
def test_a_subscription_out_of_range_is_401_at_once(arguments: Any, words: str) -> None:
    """A limit or policy that is none is refused by `subscribe`, and named."""
    with pytest.raises(BusinessError) as caught:
        create_websocket().subscribe("message", **arguments)

    assert 401 == caught.value.code
    assert words in caught.value.message


async def test_streams_yield_the_payloads(websocket_network: MemoryNetwork) -> None:
    """Each event's stream yields what its callbacks would get, without the err."""

    async def script(peer: MemoryPeer) -> None:
        await peer.accept(headers=[("X-Mark", "1")], then=frame(TEXT, "a"))
        peer.drop()

    websocket_network.serve(script)

    async with create_websocket() as ws:
        streams = {name: ws.subscribe(name) for name in EVENTS}
        await ws.connect(URL)
        result = await ws.wait_closed()

        assert "1" == (await streams["headerReceive"].receive())["X-MARK"]
        assert OpenResult(101, "Switching Protocols") == await streams["open"].receive()
        assert "a" == await streams["message"].receive()
        assert await streams["dataEnd"].receive() is None
        assert (200, "0") == ((error := await streams["error"].receive()).code, error.data)
        assert result is await streams["close"].receive()
        with pytest.raises(trio.EndOfChannel):
            await streams["message"].receive()
        with pytest.raises(trio.WouldBlock):
            streams["close"].receive_nowait()
    with pytest.raises(trio.EndOfChannel):
        await streams["close"].receive()


async def test_a_stream_that_may_not_lose_anything_closes(websocket_network: MemoryNetwork) -> None:
    """The overflow policy "close" closes the connection with 1008."""
    three = frame(TEXT, "1") + frame(TEXT, "2") + frame(TEXT, "3")
    script = partial(MemoryPeer.accept, then=three)
    websocket_network.serve(script)
    async with create_websocket() as ws:
        stream = ws.subscribe("message", max_items=2, overflow="close")
        await ws.connect(URL)
        result = await ws.wait_closed()

        assert CloseResult(1008, "a subscriber is too slow", clean=True, by="local") == result
        assert ["1", "2"] == [message async for message in stream]
        assert 1 == stream.statistics().dropped
    assert ClientClose(1008, "a subscriber is too slow") == websocket_network.peers[0].closed


async def test_a_full_stream_closes_no_connection_that_is_over(websocket_network: MemoryNetwork) -> None:
    """The policy "close" has nothing to close when the event that overflows is the end itself."""
    websocket_network.serve(MemoryPeer.accept)
    async with create_websocket() as ws:
        stream = ws.subscribe("close", max_items=1, overflow="close")
        for code in (4001, 4002):
            await ws.connect(URL)
            await ws.close({"code": code})

        assert CloseResult(4001, "", clean=True, by="local") == await stream.receive()
        assert 1 == stream.statistics().dropped


# Pulling


async def test_messages_are_pulled_in_order(websocket_network: MemoryNetwork) -> None:
    """receive, iteration and batches take from the same line; a batch is all that is ready."""

    async def script(peer: MemoryPeer) -> None:
        await peer.accept(then=b"".join(frame(TEXT, str(n)) for n in range(6)))
        await peer.expect("go on")
        await peer.send(b"6")
        await peer.close()

    websocket_network.serve(script)

    async with create_websocket() as ws:
        await ws.connect(URL)
        await trio.testing.wait_all_tasks_blocked()

        assert "0" == await ws.receive()
        assert "1" == await anext(ws)
        assert ["2", "3", "4", "5"] == await anext(ws.batches())
        await ws.send("go on")
        assert [[b"6"]] == [batch async for batch in ws.batches()]
        assert [] == [message async for message in ws]


async def test_receiving_in_push_mode_is_an_error(websocket_network: MemoryNetwork) -> None:
    """While a `message` callback is registered, pulling raises with advice; without it, it works again."""
    websocket_network.serve(echo)
    async with create_websocket() as ws:
        ws.on("message", ignore)
        await ws.connect(URL)
        for pull in (ws.receive, partial(anext, ws), partial(anext, ws.batches())):
            with pytest.raises(RuntimeError) as caught:
                await pull()
            assert PUSHING == str(caught.value)
        ws.off("message", ignore)
        await ws.send("x")

        assert "x" == await ws.receive()


async def test_receiving_without_a_buffer_is_an_error(websocket_network: MemoryNetwork) -> None:
    """With `receive_buffer=None` there is nothing to pull from, and receive says so."""
    websocket_network.serve(MemoryPeer.accept)
    async with create_websocket(receive_buffer=None) as ws:
        await ws.connect(URL)
        with pytest.raises(RuntimeError, match="receive_buffer=None discards what nobody listens to"):
            await ws.receive()

        assert ws.statistics().receive_queue is None


async def test_messages_that_nobody_listens_to_are_discarded(websocket_network: MemoryNetwork) -> None:
    """With `receive_buffer=None` an unheard message is gone, as in OHOS; a later listener hears the next."""
    websocket_network.serve(echo)
    async with create_websocket(receive_buffer=None) as ws:
        heard: list[object] = []
        await ws.connect(URL)
        await ws.send("unheard")
        await trio.testing.wait_all_tasks_blocked()
        ws.on("message", lambda err, value: heard.append(value))
        await ws.send("heard")
        await trio.testing.wait_all_tasks_blocked()

        assert ["heard"] == heard
        assert 2 == ws.statistics().messages_received


async def test_one_task_at_a_time_may_pull(websocket_network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A second task that waits for a message gets BusyResourceError; the first is not disturbed."""
    websocket_network.serve(echo)
    async with create_websocket() as ws:
        await ws.connect(URL)
        received: list[object] = []

        async def first() -> None:
            received.append(await ws.receive())

        nursery.start_soon(first)
        await trio.testing.wait_all_tasks_blocked()
        for pull in (ws.receive, partial(anext, ws), partial(anext, ws.batches())):
            with pytest.raises(trio.BusyResourceError):
                await pull()
        await ws.send("x")
        await trio.testing.wait_all_tasks_blocked()

        assert ["x"] == received


async def test_receive_before_and_while_connecting(websocket_network: MemoryNetwork) -> None:
    """Before any connect receive raises 2302999; while connecting it waits for the first message."""
    websocket_network.serve(echo)
    async with create_websocket() as ws:
        with pytest.raises(BusinessError, match="never connected") as caught:
            await ws.receive()
        assert 2302999 == caught.value.code
        ws.connect(URL, lambda err, value: ws.send("first"))

        assert "first" == await ws.receive()


async def test_the_socket_is_a_channel(websocket_network: MemoryNetwork) -> None:
    """Code that is written for a `trio.abc.Channel` works with a socket."""

    async def converse(channel: trio.abc.Channel[str | bytes]) -> list[str | bytes]:
        await channel.send("a")
        await channel.send(b"b")
        received = [await channel.receive()]
        async for message in channel:
            received.append(message)
            await channel.aclose()
        return received

    websocket_network.serve(echo)

    async with create_websocket() as ws:
        await ws.connect(URL)

        assert ["a", b"b"] == await converse(ws)
