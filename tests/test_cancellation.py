"""Cancelled at whatever step, whatever a socket is used for: nothing is left, torn, lost or swallowed.

The scenarios are in `scenarios`, and what is judged after each run in `cancel_points`.
"""

import functools
from collections.abc import Callable

import pytest

from tests.cancel_points import Scenario, Target, cover
from tests.scenarios import SCENARIOS

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
