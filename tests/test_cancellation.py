"""Cancelled at whatever step, whatever a socket is used for: nothing is left, torn, lost or swallowed.

The scenarios are in `scenarios`, and what is judged after each run in `cancel_points`.
"""

import functools
from collections.abc import Callable

import pytest
import trio
import trio.testing

from tests.cancel_points import URL, Scenario, Target, cover
from tests.journal import CONNECTED, Journal
from tests.scenarios import SCENARIOS
from tests.scripted_peer import Network, polite

pytestmark = pytest.mark.xdist_group("cancellation")  # in one process, where what was covered is remembered

# Once in a session, for the test of them all too.
covered = functools.cache(cover)

POINTS = [(scenario, target) for scenario in SCENARIOS.values() for target in scenario.targets]


@pytest.mark.parametrize(
    ("scenario", "target"), POINTS, ids=[f"{scenario.name}-{target}" for scenario, target in POINTS]
)
def test_cancelled_at_every_step(scenario: Scenario, target: Target) -> None:
    """The promises of the cancellation table hold."""
    assert covered(scenario, target) > 0


@pytest.mark.timeout(300)  # on its own it does the work of all those above
def test_enough_is_covered(record_property: Callable[[str, object], None]) -> None:
    """There are at least 25 scenarios, and 2 000 points at which one of them is cancelled."""
    points = sum(covered(scenario, target) for scenario, target in POINTS)
    record_property("summary", f"cancelled at {points} points of {len(SCENARIOS)} scenarios")

    assert len(SCENARIOS) >= 25
    assert points >= 2000


@pytest.mark.parametrize("name", ["headerReceive", "open"])
async def test_connect_is_cancelled_by_its_own_listener(
    name: str, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """A listener that cancels the scope around connect comes too late: open is told, connect returns True."""
    async with Network(polite, nursery).websocket() as ws:
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
