"""Messages of 64 KiB, which one callback gets as they are read: each straight into memory of its own."""

import tracemalloc
from collections.abc import Callable, Iterable
from itertools import pairwise, repeat

import pytest
import trio
import trio.testing

from tests.hose import Hose
from tests.logbook import Logbook
from tests.nursery.loopback import TcpNetwork
from tests.scripted_peer import BINARY, CONT, PING, TEXT, URL, Network, Peer, echo, frame
from trio_ohws.nursery.transport import StreamTransport

SIZE = 65536
AREA = 262144  # bytes that are read at a time
STRAIGHT = 1 << 21  # and so many of such messages after that
NEVER_MORE = AREA + STRAIGHT + SIZE


class Brimful(StreamTransport):
    """A transport on which as much has arrived as anybody asks for."""

    def __init__(self, stream: Hose) -> None:
        super().__init__(stream)
        self._hose = stream

    def read_now(self, size: int) -> bytes:
        """See `Transport`."""
        return self._hose.read_now(size)


Brim = Callable[[Iterable[bytes]], Hose]


@pytest.fixture
def brimful(monkeypatch: pytest.MonkeyPatch) -> Brim:
    """Make servers whose bytes have all arrived."""

    def as_transport(stream: trio.abc.Stream) -> StreamTransport:
        return Brimful(stream) if isinstance(stream, Hose) else StreamTransport(stream)

    monkeypatch.setattr("trio_ohws.nursery.session.as_transport", as_transport)
    return Hose


def message(number: int) -> bytes | str:
    """Return one of several kinds."""
    kinds: list[bytes | str] = [b"%06d" % number * 11_000, f"{number:06}ä" * 10_000, b"small", "x" * 100_000]
    return kinds[number % 4]


def framed(payload: bytes | str) -> bytes:
    """Return its frame."""
    return frame(TEXT if isinstance(payload, str) else BINARY, payload)


async def test_all_are_told_in_order_whatever_comes_between(brimful: Brim) -> None:
    """And the statistics count each of their bytes."""
    messages = [message(number) for number in range(300)]
    between = [b"", b"", b"", frame(PING, b"?"), frame(TEXT, "a", fin=False) + frame(CONT, "b")]
    wire = [framed(one) + between[number % 5] for number, one in enumerate(messages)]
    told: list[object] = []
    expected = [
        one for number, some in enumerate(messages) for one in ([some, "ab"] if number % 5 == 4 else [some])
    ]
    hose = brimful(wire)
    async with hose.websocket() as ws:
        ws.on("message", lambda err, value: told.append(value))
        await ws.connect(URL)
        await trio.testing.wait_all_tasks_blocked()
        statistics = ws.statistics()

    assert expected == told
    assert len(expected) == statistics.messages_received
    assert sum(map(len, wire)) == statistics.bytes_received


async def test_over_tcp(nursery: trio.Nursery) -> None:
    """Where they arrive as they like."""
    messages = [message(number) for number in range(400)]

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(*map(framed, messages))
        await peer.serve_politely()

    told: list[object] = []
    async with TcpNetwork(script, nursery).websocket() as ws:
        ws.on("message", lambda err, value: told.append(value))
        await ws.connect(URL)
        while len(told) < len(messages):
            await trio.testing.wait_all_tasks_blocked()
        statistics = ws.statistics()

    assert messages == told
    assert sum(len(framed(one)) for one in messages) == statistics.bytes_received


async def test_instruments_are_told_of_all(brimful: Brim) -> None:
    """What is read straight is counted as what is received."""
    logbook = Logbook()
    wire = framed(bytes(SIZE)) * 10
    async with brimful([wire]).websocket(instruments=(logbook,)) as ws:
        ws.on("message", lambda err, value: None)
        await ws.connect(URL)
        await trio.testing.wait_all_tasks_blocked()

        assert (10, len(wire)) == logbook.totals("received")


async def test_one_message_is_alive_at_a_time(brimful: Brim) -> None:
    """The one before is gone when the next is read: that is what it leaves its memory to."""
    one = framed(bytes(SIZE))
    alive: list[float] = []

    def measure(err: None, value: object) -> None:
        alive.append(tracemalloc.get_traced_memory()[0] / SIZE)

    async with brimful([one + one[:5], one[5:] + one, one, one]).websocket() as ws:
        ws.on("message", measure)
        tracemalloc.start()
        try:
            await ws.connect(URL)
            await trio.testing.wait_all_tasks_blocked()
        finally:
            tracemalloc.stop()

    assert 5 == len(alive)
    assert max(alive[1:]) < alive[0] - 0.5, "the first was beside the bytes that it came in"


async def test_a_callback_that_is_taken_off_gets_no_more(brimful: Brim) -> None:
    """The next one is received by who asks for it."""
    told: list[object] = []
    async with brimful([framed(message(4 * number)) for number in range(30)]).websocket() as ws:

        def listen(err: None, value: object) -> None:
            told.append(value)
            if len(told) == 20:
                ws.off("message")

        ws.on("message", listen)
        await ws.connect(URL)
        await trio.testing.wait_all_tasks_blocked()
        rest = [await ws.receive() for _ in range(10)]

    assert [message(4 * number) for number in range(30)] == told + rest


async def test_a_callback_that_raises_gets_no_more(brimful: Brim) -> None:
    """What it raises comes out; what had been read is told to nobody."""
    told: list[object] = []

    def fail_at_the_tenth(err: None, value: object) -> None:
        told.append(value)
        if len(told) == 10:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with brimful([framed(bytes(SIZE)) * 30]).websocket() as ws:
            ws.on("message", fail_at_the_tenth)
            await ws.connect(URL)
            await trio.sleep_forever()

    assert 10 == len(told)


async def test_a_callback_that_closes_gets_no_more(brimful: Brim) -> None:
    """And the closing handshake takes place."""
    told: list[object] = []
    async with brimful([framed(bytes(SIZE)) * 30]).websocket() as ws:

        def close(err: None, value: object) -> None:
            told.append(value)
            if len(told) == 10:
                ws.close(lambda err, value: None)

        ws.on("message", close)
        await ws.connect(URL)
        result = await ws.wait_closed()

    assert result.clean
    assert 10 == len(told)


async def test_a_flood_beside_another_socket(brimful: Brim, nursery: trio.Nursery) -> None:
    """Between two turns of the others it gets one read, 2 MiB of such messages, and no more."""
    hose = brimful(repeat(framed(bytes(SIZE)) * 4))
    given = [0]

    async def watch() -> None:
        while True:
            await trio.lowlevel.checkpoint()
            given.append(hose.given)

    async with hose.websocket() as flooded, Network(echo, nursery).websocket() as other:
        flooded.on("message", lambda err, value: None)
        await other.connect(URL)
        await flooded.connect(URL)
        async with trio.open_nursery() as tasks:
            tasks.start_soon(watch)
            for number in range(10):
                await other.send(str(number))
                assert str(number) == await other.receive()
            tasks.cancel_scope.cancel()
    steps = [after - before for before, after in pairwise(given)]

    # Twice: the scheduler shuffles those who can run.
    assert STRAIGHT < max(steps) <= 2 * NEVER_MORE
