"""What is held while one side is slower than the other: the documented buffers, and one message."""

import socket
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio
import trio.testing

from tests.hose import Hose
from tests.nursery.loopback import open_tcp_pair
from tests.scripted_peer import BINARY, URL, Peer, close_frame, frame
from trio_ohws.events.model import Message
from trio_ohws.events.queue import Overflow
from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.settings import RECEIVE_BUFFER, SEND_BUFFER, Settings
from trio_ohws.url import WebSocketURL
from trio_ohws.websocket import WebSocket

MESSAGE = 65536  # bytes
FRAME = len(frame(BINARY, bytes(MESSAGE)))
AREA = 262144  # bytes that are read of a stream at a time
KERNEL = 65536  # bytes that it is asked to hold at each end; it takes twice as many, and more while it copies

Receive = Callable[[], Awaitable[Message]]


def numbered(count: int) -> Iterator[bytes]:
    """Make `count` messages, each of which begins with its number, as many at a time as fit the area."""
    header, padding = frame(BINARY, bytes(MESSAGE))[:-MESSAGE], bytes(MESSAGE - 8)
    for start in range(0, count, 3):
        numbers = range(start, min(start + 3, count))
        yield b"".join(part for number in numbers for part in (header, number.to_bytes(8, "big"), padding))


def number_of(message: Message) -> int:
    """Return the number of a message, which must be whole."""
    assert MESSAGE == len(message)
    assert isinstance(message, bytes)
    return int.from_bytes(message[:8], "big")


class Memory:
    """What was allocated since it was made."""

    def __init__(self) -> None:
        self._before, _ = tracemalloc.get_traced_memory()

    @property
    def peak(self) -> int:
        """The most bytes that were held at a time."""
        return tracemalloc.get_traced_memory()[1] - self._before


@contextmanager
def traced() -> Iterator[Memory]:
    """Trace what is inside."""
    tracemalloc.start()
    try:
        yield Memory()
    finally:
        tracemalloc.stop()


# The consumer is slower


def by_receive(ws: WebSocket) -> Receive:
    """Pull."""
    return ws.receive


def by_subscribe(ws: WebSocket) -> Receive:
    """Read a stream."""
    return ws.subscribe("message").receive


def by_callback(ws: WebSocket) -> Receive:
    """Have an async callback that waits until its message is asked for."""
    give, take = trio.open_memory_channel[Message](0)

    async def on_message(err: None, value: Message) -> None:
        await give.send(value)

    ws.on("message", on_message)
    return take.receive


@pytest.mark.parametrize(
    ("way", "receive_buffer", "volume"),
    [
        pytest.param(by_receive, RECEIVE_BUFFER, 1 << 30, id="receive"),
        pytest.param(by_subscribe, None, 1 << 30, id="subscribe"),
        pytest.param(by_callback, RECEIVE_BUFFER, 1 << 27, id="async callback"),
    ],
)
async def test_a_gigabyte_waits_for_its_consumer(
    way: Callable[[WebSocket], Receive],
    receive_buffer: tuple[int, int] | None,
    volume: int,
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Nobody reads for an hour, twice: the link stays, little is held, and all of it comes, in order."""
    count = volume // MESSAGE
    hose = Hose(numbered(count))
    received = most = 0
    async with hose.websocket(receive_buffer=receive_buffer) as ws:
        receive = way(ws)

        async def take(messages: int) -> None:
            nonlocal received, most
            for _ in range(messages):
                assert received == number_of(await receive())
                received += 1
                most = max(most, hose.given - received * FRAME)

        await ws.connect(URL)
        with traced() as memory:  # which is slow
            for _ in range(2):
                await trio.sleep(3600)

                assert ("open", 3600) == (ws.state, ws.statistics().parked)
                await take(512)
            peak = memory.peak
        await take(count - received)
    held = RECEIVE_BUFFER[1] + MESSAGE + AREA
    assert RECEIVE_BUFFER[1] <= most <= held
    assert peak <= held + 4 * AREA  # the hose has one, and makes the next
    assert volume == received * MESSAGE


@pytest.mark.parametrize(
    ("overflow", "kept"),
    [("drop_oldest", RECEIVE_BUFFER[1]), ("drop_newest", RECEIVE_BUFFER[1]), ("latest", 1)],
)
async def test_what_is_dropped_is_not_held(
    overflow: Overflow, kept: int, autojump_clock: trio.testing.MockClock
) -> None:
    """A stream that may lose messages lets all of them pass, and holds what is documented."""
    count = (256 << 20) // MESSAGE
    hose = Hose(numbered(count))
    with traced() as memory:
        async with hose.websocket(receive_buffer=None) as ws:
            stream = ws.subscribe("message", overflow=overflow)
            await ws.connect(URL)
            await trio.sleep(1)
            peak = memory.peak
            statistics = stream.statistics()
            first = number_of(stream.receive_nowait())

    items = -(-kept // MESSAGE)
    assert count * FRAME + 4 == hose.given  # with the Close frame
    assert (items, count - items) == (statistics.items, statistics.dropped)
    assert (0 if overflow == "drop_newest" else count - items) == first
    assert peak <= kept + MESSAGE + 4 * AREA


async def settle() -> None:
    """Let all tasks run as far as they can, and the kernel do its part."""
    await trio.testing.wait_all_tasks_blocked(0.05)


def narrow(nursery: trio.Nursery, serve: Callable[[Peer], Awaitable[object]], **settings: Any) -> WebSocket:
    """Make a socket that connects by TCP, and asks the kernel to hold little."""

    async def dial(url: WebSocketURL, options: WebSocketRequestOptions) -> trio.abc.Stream:
        ours, theirs = await open_tcp_pair(KERNEL)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL)
        nursery.start_soon(serve, Peer(theirs))
        return ours

    return WebSocket(Settings(**settings), dial=dial)


async def test_tcp_slows_the_peer_down(nursery: trio.Nursery, mock_clock: trio.testing.MockClock) -> None:
    """What we do not take stays with the server, for an hour, and the kernel has but its share of it."""
    count = (64 << 20) // MESSAGE
    pushed = 0

    async def push(peer: Peer) -> None:
        nonlocal pushed
        await peer.accept()
        for piece in numbered(count):
            await peer.send(piece)
            pushed += len(piece)
        await peer.serve_politely()

    async with narrow(nursery, push) as ws:
        await ws.connect(URL)
        await settle()
        mock_clock.jump(3600)
        await settle()

        assert ("open", 3600) == (ws.state, ws.statistics().parked)
        assert RECEIVE_BUFFER[1] <= pushed <= RECEIVE_BUFFER[1] + 2 * FRAME + AREA + 8 * KERNEL
        assert [*range(count)] == [number_of(await ws.receive()) for _ in range(count)]


# The peer is slower


class Reader:
    """A server that reads nothing until it is told to, and then all: messages of one size, in order.

    Args:
        size: bytes of each message; its first eight are its number.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.count = 0
        self.go = trio.Event()

    async def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        await peer.accept()
        await self.go.wait()
        header = 8 if self.size < 65536 else 14
        pending = bytearray()
        async for data in peer.stream:
            pending += data
            while len(pending) >= header + self.size:
                mask, number = pending[header - 4 : header], pending[header : header + 8]
                assert self.count == int.from_bytes(mask + mask, "big") ^ int.from_bytes(number, "big")
                del pending[: header + self.size]
                self.count += 1
            if pending[:1] == b"\x88":
                await peer.send(close_frame())
                break
        await peer.stream.aclose()


async def send(ws: WebSocket, message: bytes) -> None:
    """Send, waiting for room."""
    await ws.send(message)


async def send_nowait(ws: WebSocket, message: bytes) -> None:
    """Send if there is room, or flush before."""
    try:
        ws.send_nowait(message)
    except trio.WouldBlock:
        await ws.flush()
        ws.send_nowait(message)


@pytest.mark.parametrize("size", [1000, 1 << 20], ids=["small", "large"])
@pytest.mark.parametrize("way", [send, send_nowait])
async def test_a_sender_waits_for_its_peer(
    nursery: trio.Nursery, way: Callable[[WebSocket, bytes], Awaitable[None]], size: int
) -> None:
    """No more is queued than `send_buffer` and one message, and all of it arrives, in order."""
    count = max(32, (8 << 20) // size)
    reader = Reader(size)
    sent = most = 0
    async with narrow(nursery, reader) as ws:
        await ws.connect(URL)

        async def send_all() -> None:
            nonlocal sent, most
            padding = bytes(size - 8)
            for number in range(count):
                await way(ws, number.to_bytes(8, "big") + padding)
                sent += 1
                most = max(most, ws.statistics().send_queue)

        with traced() as memory:
            async with trio.open_nursery() as sending:
                sending.start_soon(send_all)
                await settle()
                peak = memory.peak
                assert 0 < sent * size <= SEND_BUFFER + size + 8 * KERNEL
                reader.go.set()
        await ws.flush()

    # What the program holds while it sends, what is queued, and what the writer has joined of that.
    assert peak <= 2 * size + SEND_BUFFER + size + (2 * SEND_BUFFER if size < MESSAGE else KERNEL)
    assert SEND_BUFFER <= most <= SEND_BUFFER + size + 14
    assert (count, count) == (sent, reader.count)


async def test_the_callback_form_is_never_refused(nursery: trio.Nursery) -> None:
    """Whatever the limit, it queues at once, and all of it arrives; the other forms find no room."""
    count = 256
    reader = Reader(MESSAGE)
    replies: list[object] = []
    async with narrow(nursery, reader) as ws:
        await ws.connect(URL)
        for number in range(count):
            ws.send(number.to_bytes(8, "big").ljust(MESSAGE, b"."), lambda err, value: replies.append(value))
        await settle()

        assert [True] * count == replies
        assert count * MESSAGE - 8 * KERNEL <= ws.statistics().send_queue <= count * FRAME + 4 * count
        with pytest.raises(trio.WouldBlock):
            ws.send_nowait(b"")
        reader.go.set()
        await ws.flush()
    assert count == reader.count


async def test_answers_from_callbacks_hold_the_reader(autojump_clock: trio.testing.MockClock) -> None:
    """An echo to a peer that sends, but does not read, holds what one read of the reader may make of it."""
    hose = Hose(numbered(1000))
    async with hose.websocket(ping_interval=None) as ws:
        ws.on("message", lambda err, value: ws.send(value, lambda err, value: None))
        await ws.connect(URL)
        hose.stuck = True
        await trio.sleep(3600)

        assert SEND_BUFFER <= ws.statistics().send_queue <= SEND_BUFFER + AREA + 2 * FRAME
        assert hose.given <= SEND_BUFFER + 2 * AREA + 2 * FRAME
