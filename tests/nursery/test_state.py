"""The states of a socket: the table as a whole."""

import pytest

from trio_ohws.nursery.state import TRANSITIONS, State


def test_the_table() -> None:
    """These ways lead from state to state, and no others; every state has its row."""
    table = {
        "idle": set(),
        "connecting": {"open", "closed"},
        "open": {"closing"},
        "closing": {"closed"},
        "closed": set(),
    }

    assert table == {str(state): set(ways) for state, ways in TRANSITIONS.items()}
    assert list(State) == list(TRANSITIONS)


def test_a_session_goes_one_way_only() -> None:
    """From connecting every way ends in closed, after at most three steps."""

    def ways(state: State) -> list[list[State]]:
        return [[state, *rest] for after in TRANSITIONS[state] for rest in ways(after)] or [[state]]

    paths = sorted(ways(State.CONNECTING), key=len)

    assert [["connecting", "closed"], ["connecting", "open", "closing", "closed"]] == paths


@pytest.mark.parametrize("state", list(State))
def test_a_state_is_its_name(state: State) -> None:
    """A state equals, and prints as, its name in lower case."""
    assert state.name.lower() == state
    assert state.name.lower() == str(state)
