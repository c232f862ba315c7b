"""The keepalive, in virtual time."""

import math
from collections.abc import Callable, Mapping

import pytest
import trio
import trio.testing

from trio_ohws.nursery.flag import Flag
from trio_ohws.nursery.keepalive import keep_alive


class WatchedLink:
    """A link whose peer, and whose consumer, do what the test's timetable says."""

    def __init__(self) -> None:
        self.heard_at = trio.current_time()
        self.parked_since: float | None = None
        self.pings: list[float] = []

    def send_ping(self) -> None:
        """Note the time."""
        self.pings.append(trio.current_time())

    def hear(self) -> None:
        """Bytes arrive."""
        self.heard_at = trio.current_time()

    def park(self) -> None:
        """The reader begins to wait for its consumer."""
        self.parked_since = trio.current_time()

    def unpark(self) -> None:
        """The reader comes back."""
        self.parked_since = None
        self.hear()


Timetable = Mapping[float, Callable[[WatchedLink], object]]

HEAR, PARK, UNPARK = WatchedLink.hear, WatchedLink.park, WatchedLink.unpark
END = 1000.0
FOR_EVER = math.inf


@pytest.mark.parametrize(
    ("timetable", "interval", "patience", "pings", "broken_at"),
    [
        pytest.param({}, 30, 30, [30], 60, id="silence"),
        pytest.param({10: HEAR}, 30, 30, [40], 70, id="any byte is a sign of life"),
        pytest.param({10: HEAR, 39: HEAR}, 30, 30, [69], 99, id="the last byte counts"),
        pytest.param({45: HEAR}, 30, 30, [30, 75], 105, id="heard after the ping"),
        pytest.param({59.9: HEAR}, 30, 30, [30, 89.9], 119.9, id="heard in the last moment"),
        pytest.param({}, 30, 5, [30], 35, id="short patience"),
        pytest.param({31: HEAR}, 30, 5, [30, 61], 66, id="short patience, heard"),
        pytest.param({}, 30, 100, [30], 130, id="long patience"),
        pytest.param({31: HEAR}, 30, 100, [30, 61], 161, id="long patience, heard"),
        pytest.param({}, 30, None, [30], FOR_EVER, id="no patience"),
        pytest.param({31: HEAR, 500: HEAR}, 30, None, [30, 61, 530], FOR_EVER, id="no patience, heard"),
        pytest.param({}, None, 30, [], FOR_EVER, id="no pings"),
        pytest.param({10: PARK, 100: UNPARK}, 30, 30, [130], 160, id="parked time does not count"),
        pytest.param({29: PARK, 31: UNPARK}, 30, 30, [61], 91, id="parked while a ping falls due"),
        pytest.param(
            {30.5: PARK, 300: UNPARK}, 30, 30, [30, 330], 360, id="parked while an answer falls due"
        ),
        pytest.param({10: PARK}, 30, 30, [], FOR_EVER, id="parked for ever"),
        pytest.param(
            {10: PARK, 20: UNPARK, 21: PARK, 90: UNPARK}, 30, 30, [120], 150, id="parked twice in an interval"
        ),
    ],
)
async def test_keep_alive(
    autojump_clock: trio.testing.MockClock,
    timetable: Timetable,
    interval: float | None,
    patience: float | None,
    pings: list[float],
    broken_at: float,
) -> None:
    """A ping follows `interval` seconds of silence, the end follows `patience` seconds after it, exactly."""
    link = WatchedLink()
    over = Flag()

    async def run_timetable() -> None:
        for moment, action in timetable.items():
            await trio.sleep_until(moment)
            action(link)
        await trio.sleep_until(END)
        over.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_timetable)
        alive = await keep_alive(link, over, interval, patience)
        ended_at = trio.current_time()
        nursery.cancel_scope.cancel()

    assert pings == link.pings
    assert (broken_at == FOR_EVER) is alive
    assert min(broken_at, END) == pytest.approx(ended_at)


async def test_an_answer_at_once_is_an_answer(autojump_clock: trio.testing.MockClock) -> None:
    """A pong that comes in the very instant of the ping counts: in virtual time every fast peer does that."""
    over = Flag()

    class InstantLink(WatchedLink):
        def send_ping(self) -> None:
            super().send_ping()
            self.hear()
            if len(self.pings) == 5:
                over.set()

    link = InstantLink()
    alive = await keep_alive(link, over, 30, 10)

    assert alive
    assert [30, 60, 90, 120, 150] == link.pings


async def test_the_end_is_seen_at_once(autojump_clock: trio.testing.MockClock) -> None:
    """What is over needs no watch, whether pings are on or off."""
    over = Flag()
    over.set()
    for interval in (None, 30):
        assert await keep_alive(WatchedLink(), over, interval, 30)

    assert 0 == trio.current_time()
