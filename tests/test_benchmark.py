"""What the benchmark makes of its samples: the verdicts, and who is measured further."""

import pytest

from benchmarks.clients.registry import FLOOR, OURS
from benchmarks.figures import Entry, Results, Sample
from benchmarks.workloads import ALONE, BEST, Target, Task, Workload

TASK = Task("receive", 1000, 32)


def results(samples: dict[str, list[float]], *targets: Target, cost: bool = False) -> Results:
    """A run of one workload, in which these were the microseconds of each client, round after round."""
    workload = Workload("it", "it", TASK, "callback", targets, cost=cost, floor="area")
    found = Results([workload], [*samples], {}, rounds=3)
    for client, walls in samples.items():
        for number, wall in enumerate(walls, 1):
            way = {OURS: "callback", FLOOR: "area"}.get(client, "")
            found.add(Entry(TASK, client, way), number, Sample(wall, wall, 0.0, 0.5, 1.0))
    return found


def test_a_rate_is_met_from_its_bound_on() -> None:
    """Half the time is twice the rate."""
    (row,) = results({OURS: [10, 10, 10], "picows": [20, 20, 20]}, Target(2.0), Target(2.01)).rows()

    assert [(2.0, True), (2.0, False)] == [(each.ratio, each.met) for each in row.verdicts()]


def test_a_cost_is_met_up_to_its_bound() -> None:
    """The other way round."""
    found = results({OURS: [30, 30, 30], "picows": [20, 20, 20]}, Target(1.5), Target(1.49), cost=True)

    assert [(1.5, True), (1.5, False)] == [
        (each.ratio, each.met) for each in found.row(found.workloads[0]).verdicts()
    ]


def test_a_ratio_is_of_the_same_rounds() -> None:
    """A moment that is slow for both makes no difference, and a round of one alone is not counted."""
    (row,) = results({OURS: [10, 60, 30, 100, 100], "picows": [20, 20, 60]}, Target(2.0)).rows()

    assert 2.0 == row.ratio("picows")


@pytest.mark.parametrize("cost", [False, True])
@pytest.mark.parametrize("ours", [10, 30])
def test_what_enough_rounds_agree_on_is_not_measured_further(ours: float, cost: bool) -> None:
    """With one that says the opposite, thirteen are enough."""
    odd = 40 - ours
    enough = results({OURS: [odd, *[ours] * 12], "picows": [20] * 13}, Target(1.0), cost=cost)
    too_few = results({OURS: [odd, *[ours] * 11], "picows": [20] * 12}, Target(1.0), cost=cost)

    assert set() == enough.contenders(TASK)
    assert {OURS, "picows"} == too_few.contenders(TASK)


@pytest.mark.parametrize("cost", [False, True])
@pytest.mark.parametrize("ours", [[10, 19, 40], [10, 22, 40]])
def test_those_are_who_may_be_the_best(ours: list[float], cost: bool) -> None:
    """Ours, the best peer, and those whom the quartiles do not tell from it."""
    peers: dict[str, list[float]] = {
        "picows": [20, 21, 22],
        "aiohttp-uvloop": [20, 22, 24],
        "httpx-ws": [90, 90, 90],
    }
    found = results({OURS: ours, **peers}, Target(1.0), cost=cost)

    assert {OURS, "picows", "aiohttp-uvloop"} == found.contenders(TASK)


def test_a_target_against_one_peer_is_between_two() -> None:
    """The best one has nothing to do with it."""
    peers: dict[str, list[float]] = {"picows": [1, 1, 1], "httpx-ws": [20, 21, 22]}
    found = results({OURS: [10, 22, 40], **peers}, Target(1.0, "httpx-ws"))

    assert {OURS, "httpx-ws"} == found.contenders(TASK)


@pytest.mark.parametrize(("cost", "floor"), [(False, 0.8), (True, 1.25)])
def test_the_floor_is_a_ruler_and_no_peer(cost: bool, floor: float) -> None:
    """What Trio alone takes stands beside the verdict, and is measured as often as that needs."""
    found = results({OURS: [10, 22, 40], FLOOR: [5, 25, 25], "picows": [20, 20, 20]}, Target(1.0), cost=cost)
    (row,) = found.rows()

    assert "picows" == row.best
    assert [floor] == [verdict.floor for verdict in row.verdicts()]
    assert {OURS, FLOOR, "picows"} == found.contenders(TASK)


def test_who_was_not_measured_leaves_nothing_open() -> None:
    """A peer that failed, and our own figure for one connection."""
    found = results({OURS: [10, 22, 40]}, Target(1.0), Target(1.0, "picows"), Target(1.3, ALONE))

    assert BEST == found.workloads[0].targets[0].against
    assert set() == found.contenders(TASK)
