"""Pings, pongs, and what they measure."""

import pytest
import trio
import trio.testing

from tests.nursery.test_outbox import Wire
from tests.scripted_peer import PING, parse_frames
from trio_ohws.errors import PARAMETER_ERROR, BusinessError, ConnectionLost
from trio_ohws.nursery.outbox import Outbox
from trio_ohws.nursery.pings import Pings


class Line:
    """Pings over an outbox whose transport is the test's."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.wire = Wire()
        self.outbox = Outbox(self.wire, 1000, int)
        self.pings = Pings(self.outbox)
        self.nursery = nursery
        self.results: dict[str, float | BusinessError] = {}
        nursery.start_soon(self.outbox.run)

    @property
    def sent(self) -> list[bytes]:
        """The payloads of the pings that were written."""
        frames, rest = parse_frames(self.wire.data)
        assert not rest
        assert all(frame.opcode == PING for frame in frames)
        return [frame.payload for frame in frames]

    async def ping(self, name: str, payload: bytes | None) -> None:
        """Ping, and keep what came of it."""
        try:
            self.results[name] = await self.pings.measure(payload)
        except BusinessError as error:
            self.results[name] = error

    async def begin(self, name: str, payload: bytes | None) -> None:
        """Ping in a task of its own, and let that come to rest."""
        self.nursery.start_soon(self.ping, name, payload)
        await trio.testing.wait_all_tasks_blocked()


@pytest.fixture
def line(nursery: trio.Nursery) -> Line:
    """A line over a fresh outbox; ask for the autojump_clock too where time matters."""
    return Line(nursery)


async def test_a_ping_measures_the_time_to_its_pong(
    line: Line, autojump_clock: trio.testing.MockClock
) -> None:
    """The result is the seconds from the ping's write to its pong, and is kept as the latency."""
    await line.begin("a", b"hello")
    assert [b"hello"] == line.sent
    await trio.sleep(0.25)
    line.pings.pong(b"hello")
    await trio.testing.wait_all_tasks_blocked()

    assert {"a": 0.25} == line.results
    assert (0.25, 0) == (line.pings.latency, len(line.pings))


async def test_time_in_the_queue_does_not_count(line: Line, autojump_clock: trio.testing.MockClock) -> None:
    """A ping that waits to be written is measured from its write, not from the call."""
    line.wire.block()
    await line.begin("a", b"x")
    await trio.sleep(5)
    line.wire.unblock()
    await trio.sleep(0.5)
    line.pings.pong(b"x")
    await trio.testing.wait_all_tasks_blocked()

    assert {"a": 0.5} == line.results


async def test_a_random_payload_is_chosen(line: Line) -> None:
    """Without a payload, each ping gets four bytes that no other ping in flight has."""
    for name in "abc":
        await line.begin(name, None)

    assert [4, 4, 4] == [len(payload) for payload in line.sent]
    assert 3 == len(set(line.sent))


async def test_a_random_payload_is_chosen_again(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A random payload that is in flight already is not taken."""
    choices = iter([b"same", b"same", b"same", b"else"])
    monkeypatch.setattr("os.urandom", lambda size: next(choices) if size == 4 else bytes(size))
    await line.begin("a", None)
    await line.begin("b", None)

    assert [b"same", b"else"] == line.sent


@pytest.mark.parametrize("size", [0, 1, 125])
async def test_a_payload_may_have_up_to_125_bytes(line: Line, size: int) -> None:
    """The limit of a control frame is the limit of a ping; an empty payload is one too."""
    await line.begin("a", b"x" * size)

    assert [b"x" * size] == line.sent


async def test_a_payload_over_125_bytes_is_refused(line: Line) -> None:
    """401, and nothing is sent."""
    with pytest.raises(BusinessError, match="125") as caught:
        await line.pings.measure(b"x" * 126)

    assert PARAMETER_ERROR == caught.value.code
    assert ([], 0) == (line.sent, len(line.pings))


async def test_a_payload_in_flight_is_refused(line: Line) -> None:
    """401 for a second ping with the same payload; once the first is answered it may be used again."""
    await line.begin("a", b"x")
    with pytest.raises(BusinessError, match="in flight") as caught:
        await line.pings.measure(b"x")
    assert PARAMETER_ERROR == caught.value.code
    line.pings.pong(b"x")
    await trio.testing.wait_all_tasks_blocked()
    await line.begin("b", b"x")

    assert [b"x", b"x"] == line.sent


async def test_a_pong_answers_the_pings_before_it(line: Line, autojump_clock: trio.testing.MockClock) -> None:
    """The peer may answer only the latest ping (RFC 6455 section 5.5.3): those before it are answered too."""
    for name in "abc":
        await line.begin(name, name.encode())
        await trio.sleep(1)
    line.pings.pong(b"b")
    await trio.testing.wait_all_tasks_blocked()

    assert {"a": 3, "b": 2} == line.results
    assert (2, 1) == (line.pings.latency, len(line.pings))
    line.pings.pong(b"c")
    await trio.testing.wait_all_tasks_blocked()
    assert {"a": 3, "b": 2, "c": 1} == line.results


async def test_an_unsolicited_pong_means_nothing(line: Line, autojump_clock: trio.testing.MockClock) -> None:
    """A pong that answers no ping in flight is ignored, also the second one of the same payload."""
    await line.begin("a", b"x")
    line.pings.pong(b"other")
    assert 1 == len(line.pings)
    assert line.pings.latency is None
    line.pings.pong(b"x")
    await trio.sleep(3)
    line.pings.pong(b"x")

    assert 0 == line.pings.latency


async def test_a_cancelled_ping_is_forgotten(line: Line, autojump_clock: trio.testing.MockClock) -> None:
    """Its waiter is removed, so the payload is free again; a late pong for it is unsolicited."""
    with trio.move_on_after(1) as scope:
        await line.pings.measure(b"x")
    assert scope.cancelled_caught
    assert 0 == len(line.pings)
    line.pings.pong(b"x")
    assert line.pings.latency is None
    await line.begin("b", b"x")

    assert 1 == len(line.pings)


async def test_a_ping_that_ends_does_not_take_a_later_one_along(line: Line) -> None:
    """The payload is used again in the moment of its pong, before the first waiter has run."""
    await line.begin("a", b"x")
    line.pings.pong(b"x")
    second = line.pings.send(b"x")
    await trio.testing.wait_all_tasks_blocked()
    line.pings.pong(b"x")

    assert second.answered.is_set()


async def test_the_end_wakes_all_waiters(line: Line) -> None:
    """Who waits for a pong gets a fresh error each."""
    for name in "ab":
        await line.begin(name, name.encode())
    line.pings.end(lambda: ConnectionLost("gone"))
    await trio.testing.wait_all_tasks_blocked()

    assert [ConnectionLost, ConnectionLost] == [type(line.results[name]) for name in "ab"]
    assert line.results["a"] is not line.results["b"]
    assert 0 == len(line.pings)


async def test_a_pong_before_the_end_counts(line: Line, autojump_clock: trio.testing.MockClock) -> None:
    """A ping that was answered before the end returns, although its task runs only after it."""
    await line.begin("a", b"x")
    line.pings.pong(b"x")
    line.pings.end(lambda: ConnectionLost("gone"))
    await trio.testing.wait_all_tasks_blocked()

    assert {"a": 0} == line.results


async def test_the_keepalive_has_one_ping_in_flight(
    line: Line, autojump_clock: trio.testing.MockClock
) -> None:
    """Its ping is empty; another one is sent only when that was answered; it measures latency as well."""
    line.pings.keep_alive()
    line.pings.keep_alive()
    assert [b""] == line.sent
    await trio.sleep(2)
    line.pings.pong(b"")
    line.pings.keep_alive()
    await trio.testing.wait_all_tasks_blocked()

    assert [b"", b""] == line.sent
    assert 2 == line.pings.latency


@pytest.mark.parametrize("die", [True, False], ids=["dead", "full"])
async def test_a_ping_is_always_queued(line: Line, die: bool) -> None:
    """Neither a full outbox nor a dead one keeps a ping waiting for its turn: it waits for its pong only."""
    line.wire.block()
    line.outbox.put(b"x" * 2000)
    if die:
        line.outbox.die(OSError())
    await line.begin("a", b"x")

    assert 1 == len(line.pings)
    line.pings.end(lambda: ConnectionLost("gone"))
    await trio.testing.wait_all_tasks_blocked()
    assert isinstance(line.results["a"], ConnectionLost)
