"""A socket that was left is freed at once: none of it waits for the garbage collector."""

import gc
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import pytest
import trio

from tests.scripted_peer import BINARY, Peer, frame
from tests.served import served
from trio_ohws import BusinessError, Instrument, create_websocket, open_websocket
from trio_ohws.reconnect import open_reconnecting

NOWHERE = "ws://127.0.0.1:1/"


async def talk(ws: Any) -> None:
    """Exchange a message."""
    await ws.send("hello")
    assert "hello" == await ws.receive()


async def plain(url: str) -> None:
    """Connect, exchange a message, close."""
    async with open_websocket(url) as ws:
        await talk(ws)


async def large(url: str) -> None:
    """A message that is more than the kernel takes: the writer has a part in it."""
    async with open_websocket(url) as ws:
        await ws.send(bytes(3 << 20))
        assert 3 << 20 == len(await ws.receive())


async def pinging(url: str) -> None:
    """A ping and its pong."""
    async with open_websocket(url) as ws:
        await ws.ping()


async def instrumented(url: str) -> None:
    """With an instrument, which is told everything."""
    async with open_websocket(url, instruments=(Instrument(),)) as ws:
        await talk(ws)


async def twice(url: str) -> None:
    """Two connections of one socket."""
    async with create_websocket() as ws:
        for _ in range(2):
            await ws.connect(url)
            await talk(ws)
            await ws.close()


async def used_after_the_end(url: str) -> None:
    """Errors of each kind, raised and dropped."""
    async with open_websocket(url) as ws:
        await ws.close()
        for method in (partial(ws.send, "late"), ws.receive, ws.close, ws.flush):
            with pytest.raises(BusinessError):
                await method()


async def callbacks_that_use_the_socket(url: str) -> None:
    """Callbacks whose closures have the socket."""
    done = trio.Event()
    async with create_websocket() as ws:

        def on_message(error: Exception | None, value: str | bytes) -> None:
            ws.off("message")
            done.set()

        async def on_close(error: Exception | None, value: object) -> None:  # noqa: ASYNC124  # the async kind
            ws.off("close")

        ws.on("message", on_message)
        ws.on("close", on_close)
        ws.on("open", lambda error, value: ws.send("hello", lambda error, value: None))
        await ws.connect(url)
        await done.wait()


async def streams(url: str) -> None:
    """Streams that are read when the socket was left."""
    async with create_websocket() as ws:
        messages, ends = ws.subscribe("message"), ws.subscribe("close", overflow="close")
        await ws.connect(url)
        await talk(ws)
    assert ["hello"] == [message async for message in messages]
    assert [1000] == [end.code async for end in ends]


async def violated(url: str) -> None:
    """A peer that breaks the protocol."""
    async with open_websocket(url + "violation") as ws:
        assert b"x" == await ws.receive()
        with pytest.raises(BusinessError):
            await ws.receive()


async def nobody_listens(url: str) -> None:
    """No TCP connection."""
    with pytest.raises(BusinessError):
        async with open_websocket(NOWHERE):
            pass


async def not_upgraded(url: str) -> None:
    """An answer that refuses."""
    with pytest.raises(BusinessError):
        async with open_websocket(url + "refusal"):
            pass


async def cancelled_within(url: str) -> None:
    """Cancelled while it waits for a message."""
    with trio.CancelScope() as scope:
        async with open_websocket(url) as ws:
            await talk(ws)
            scope.cancel()
            await ws.receive()


async def cancelled_connecting(url: str) -> None:
    """Cancelled while it waits for the answer."""
    with trio.move_on_after(0.05):
        async with open_websocket(url + "silence"):
            pass


async def raising(url: str) -> None:
    """A body that raises."""
    with pytest.raises(KeyError):
        async with open_websocket(url) as ws:
            await talk(ws)
            raise KeyError


async def reconnecting(url: str) -> None:
    """A socket that connects by itself."""
    async with open_reconnecting(url) as ws:
        await talk(ws)


async def serve(peer: Peer) -> None:
    """Echo, or do what the path asks for."""
    path = (await peer.read_request()).split()[1]
    if path == b"/refusal":
        await peer.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    elif path == b"/silence":
        await peer.stream.receive_some(1)
    elif path == b"/violation":
        await peer.send(peer.answer() + frame(BINARY, b"x") + frame(3))
        await peer.stream.receive_some(100)
    else:
        await peer.send(peer.answer())
        await peer.serve_echo()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server's address."""
    with served(serve) as url:
        yield url


@pytest.fixture
def found() -> Iterator[Callable[[], list[str]]]:
    """What the garbage collector finds of ours from here on, by type."""

    def collect() -> list[str]:
        gc.collect()
        kinds = [type(thing) for thing in gc.garbage]
        gc.garbage.clear()
        return [kind.__qualname__ for kind in kinds if kind.__module__.startswith("trio_ohws")]

    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield collect
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


@pytest.mark.parametrize(
    "live",
    [
        plain,
        large,
        pinging,
        instrumented,
        twice,
        used_after_the_end,
        callbacks_that_use_the_socket,
        streams,
        violated,
        nobody_listens,
        not_upgraded,
        cancelled_within,
        cancelled_connecting,
        raising,
        reconnecting,
    ],
)
def test_nothing_of_a_socket_is_a_cycle(
    live: Callable[[str], Awaitable[None]], url: str, found: Callable[[], list[str]]
) -> None:
    """Whatever a socket went through, its last reference frees it, and what it had received."""

    async def run() -> list[str]:
        await live(url)
        return found()  # before the run ends, which is full of cycles, and has the scratch area

    assert [] == trio.run(run)
