"""Nobody waits long for us: not a pong behind a huge message, not a socket beside one that is flooded.

What can be counted is counted: bytes, frames and turns of the scheduler between a cause and its effect. What
takes one step, however long, is measured in processor time, of which a busy machine takes little away.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import accumulate, groupby, repeat

import pytest
import trio
import trio.testing

from tests.hose import Hose
from tests.nursery.loopback import TcpNetwork
from tests.scripted_peer import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    URL,
    Network,
    Peer,
    close_frame,
    echo,
    frame,
)
from trio_ohws.nursery.transport import SocketTransport
from trio_ohws.websocket import WebSocket

AREA = 262144  # bytes that are read at a time
HUGE = 50 << 20
PATIENCE_S = 0.1  # of our own making


def copying_s() -> float:
    """Return the processor time of the cheapest thing that can be done with a huge message."""
    data = bytearray(HUGE)
    begun = time.process_time()
    bytes(data)
    return time.process_time() - begun


async def best_of_three(measure: Callable[[], Awaitable[float]], what: str) -> None:
    """Measure what is to take no longer than `PATIENCE_S`, or, on a slow machine, than four copies."""
    seconds = min([await measure() for _ in range(3)])
    print(f"{what}: {seconds * 1e3:.0f} ms")
    assert seconds < max(PATIENCE_S, 4 * copying_s())


class Clocked(Hose):
    """As `Hose`, and notes when a pong is written."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__(pieces)
        self.ponged_at: list[tuple[int, float]] = []  # bytes given until then, seconds of processor time

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Note it."""
        if data[0] == 0x80 | PONG:
            self.ponged_at.append((self.given, time.process_time()))
        await super().send_all(data)


# A pong


@pytest.mark.parametrize(
    "payload", [bytes(HUGE), b"x" * HUGE, "ж".encode() * (HUGE // 2)], ids=["binary", "ascii", "cyrillic"]
)
async def test_a_pong_behind_a_huge_message(payload: bytes, autojump_clock: trio.testing.MockClock) -> None:
    """A ping that arrives together with the end of 50 MiB is answered within 100 ms."""
    data = frame(BINARY if not payload[0] else TEXT, payload) + frame(PING, "now")
    begun = 0.0

    def pieces() -> Iterator[bytes]:
        nonlocal begun
        for start in range(0, len(data), AREA):
            if len(data) - start <= AREA:
                begun = time.process_time()
            yield data[start : start + AREA]

    async def measure() -> float:
        hose = Clocked(pieces())
        async with hose.websocket(max_message_size=HUGE) as ws:
            await ws.connect(URL)
            assert len(await ws.receive()) in (HUGE, HUGE // 2)
            await trio.sleep(1)
        return hose.ponged_at[0][1] - begun

    await best_of_three(measure, "pong behind 50 MiB")


async def test_pongs_between_fragments(autojump_clock: trio.testing.MockClock) -> None:
    """A ping between two fragments of 50 MiB is answered before the reader reads once more."""
    pieces, pings = [], []
    for number in range(50):
        pieces.append(frame(CONT if number else BINARY, bytes(1 << 20), fin=number == 49))
        pieces.append(frame(PING))
        pings.append(sum(map(len, pieces)))
    hose = Clocked([b"".join(pieces)])
    async with hose.websocket(max_message_size=HUGE) as ws:
        await ws.connect(URL)
        assert HUGE == len(await ws.receive())
        await trio.sleep(1)

    assert len(pings) == len(hose.ponged_at)
    for arrived, (given, _) in zip(pings, hose.ponged_at, strict=True):
        assert given - arrived < AREA


async def test_queueing_a_huge_message(nursery: trio.Nursery) -> None:
    """`send` of 50 MiB, which is one step, takes less than 100 ms; and so a ping waits no longer for that."""

    async def measure() -> float:
        async with Hose([]).websocket() as ws:
            await ws.connect(URL)
            payload = bytes(HUGE)
            begun = time.process_time()
            await ws.send(payload)
            return time.process_time() - begun

    await best_of_three(measure, "queueing 50 MiB")


async def test_a_pong_waits_for_no_more_than_one_huge_message(nursery: trio.Nursery) -> None:
    """A pong follows the frame that is being written, and overtakes all who wait to send.

    No frame may stand within another one (RFC 6455 section 5.4), so it cannot come sooner.
    """
    sizes = [14 + HUGE, 6, 7, 7, 7, 8]
    opcodes: list[int] = []
    queued = trio.Event()

    async def serve(peer: Peer) -> None:
        await peer.accept()
        await queued.wait()
        await peer.send(frame(PING))
        await trio.testing.wait_all_tasks_blocked(0.05)
        data = bytearray()
        while len(data) < sum(sizes):
            data += await peer.stream.receive_some(1 << 20)
        opcodes.extend(data[start] & 0x0F for start in accumulate(sizes[:-1], initial=0))
        await peer.send(close_frame())
        await peer.stream.aclose()

    async with TcpNetwork(serve, nursery).websocket() as ws:
        await ws.connect(URL)
        await ws.send(bytes(HUGE))
        async with trio.open_nursery() as senders:
            for _ in range(3):
                senders.start_soon(ws.send, "x")
            await trio.testing.wait_all_tasks_blocked()
            queued.set()

    assert [BINARY, PONG, TEXT, TEXT, TEXT, CLOSE] == opcodes


# Other tasks


@pytest.mark.parametrize(("size", "at_most"), [(100, 64), (1 << 20, 4), (HUGE, 1)])
async def test_sending_leaves_others_their_turn(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, size: int, at_most: int
) -> None:
    """Even if the system takes all at once: after 64 messages, or 4 MiB of them and one."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with TcpNetwork(echo, nursery).websocket() as ws:
        await ws.connect(URL)
        with monkeypatch.context() as patch:
            patch.setattr(SocketTransport, "write_now", lambda self, *parts: sum(map(len, parts)))
            async with trio.open_nursery() as tasks:
                tasks.start_soon(other)
                counts = [turns]
                for _ in range(4 * at_most + 8):
                    await ws.send(bytes(size))
                    counts.append(turns)
                tasks.cancel_scope.cancel()

    # Twice: the scheduler shuffles those who can run. The first count is of before the first message.
    assert max(len(list(group)) for _, group in groupby(counts)) <= 2 * at_most + 1


# Another socket


async def by_callback(ws: WebSocket) -> None:
    """Consume in the reader."""
    ws.on("message", lambda err, value: None)
    await trio.sleep_forever()


async def by_iteration(ws: WebSocket) -> None:
    """Consume one by one."""
    async for _ in ws:
        pass


async def by_batches(ws: WebSocket) -> None:
    """Consume all that are ready."""
    async for _ in ws.batches():
        pass


class Gauge:
    """Runs whenever the scheduler lets it, and notes what a flooded socket did since the last time.

    Args:
        ws: the flooded socket.
        hose: what floods it.
    """

    def __init__(self, ws: WebSocket, hose: Hose) -> None:
        self._ws = ws
        self._hose = hose
        self.turns = 0
        self.most_messages = 0
        self.most_bytes = 0
        self.longest_s = 0.0

    async def run(self) -> None:
        """Take turns."""
        messages, given, now = self._ws.statistics().messages_received, self._hose.given, time.perf_counter()
        while True:
            await trio.lowlevel.checkpoint()
            before = messages, given, now
            messages, given = self._ws.statistics().messages_received, self._hose.given
            now = time.perf_counter()
            self.most_messages = max(self.most_messages, messages - before[0])
            self.most_bytes = max(self.most_bytes, given - before[1])
            self.longest_s = max(self.longest_s, now - before[2])
            self.turns += 1


@pytest.mark.parametrize("consume", [by_callback, by_iteration, by_batches])
@pytest.mark.parametrize(
    ("flood", "at_most"),
    [
        pytest.param(frame(TEXT), 16384 + 1024, id="empty messages"),
        pytest.param(frame(TEXT, "x" * 32), 2 * 1024, id="short messages"),
        pytest.param(frame(BINARY, bytes(65536)), 4, id="long messages"),
        pytest.param(frame(BINARY, bytes(1 << 20)), 1, id="longer than a read"),
        pytest.param(frame(TEXT, fin=False) + frame(CONT), 512, id="fragments"),
        pytest.param(frame(PING), 0, id="pings"),
    ],
)
async def test_a_flood_beside_another_socket(
    nursery: trio.Nursery, consume: Callable[[WebSocket], Awaitable[None]], flood: bytes, at_most: int
) -> None:
    """Between two turns of the others a flooded socket reads once, decodes a part of that, and no more."""
    piece = flood * max(1, AREA // len(flood))
    hose = Hose(repeat(piece))
    turns: list[int] = []
    async with hose.websocket() as flooded, Network(echo, nursery).websocket() as other:
        await flooded.connect(URL)
        await other.connect(URL)
        gauge = Gauge(flooded, hose)
        async with trio.open_nursery() as tasks:
            tasks.start_soon(consume, flooded)
            tasks.start_soon(gauge.run)
            for number in range(10):
                begun = gauge.turns
                await other.send(str(number))
                assert str(number) == await other.receive()
                turns.append(gauge.turns - begun)
            tasks.cancel_scope.cancel()
    print(f"longest turn {gauge.longest_s * 1e3:.1f} ms, round trip in {max(turns)} turns")

    # Twice: the scheduler shuffles those who can run, so the reader may run at the end and at the beginning.
    assert gauge.most_bytes <= 2 * AREA
    assert gauge.most_messages <= 2 * at_most
    assert max(turns) <= 20
    assert hose.given
