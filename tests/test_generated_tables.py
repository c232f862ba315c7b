"""The tables that the documentation makes from the code leave nothing out."""

import functools
import inspect
import subprocess
from pathlib import Path
from typing import get_args

import pytest

import trio_ohws
from tests.interpreter import run_python
from trio_ohws.errors import CONNECT_FAILED, TEXTS
from trio_ohws.events.model import EventName

DOCS = Path(__file__).parent.parent / "docs"
PROGRAM = "from generated import cancellation, errors, events, scenarios; print({function}())"
KINDS = [
    name
    for name in trio_ohws.__all__
    if inspect.isclass(getattr(trio_ohws, name))
    and issubclass(getattr(trio_ohws, name), trio_ohws.BusinessError)
]


@functools.cache
def table(function: str) -> list[list[str]]:
    """Return the rows of a table, without its head; what a row leaves empty is that of the row before."""
    ended: subprocess.CompletedProcess[str] = run_python("-c", PROGRAM.format(function=function), folder=DOCS)
    assert "" == ended.stderr
    return [
        [cell.strip() for cell in line.strip("|").replace(r"\|", "/").split("|")]
        for line in ended.stdout.splitlines()[2:]
    ]


def test_every_code_is_raised_by_somebody() -> None:
    """Each code has its text, and rows that say when it is raised and by whom."""
    rows = table("errors.codes")

    assert {str(code): text for code, text in TEXTS.items()} == {row[0]: row[1] for row in rows if row[0]}
    assert [] == [row for row in rows if not row[2] or not row[3]]
    assert str(CONNECT_FAILED) == rows[0][0]  # whose row is written by hand


@pytest.mark.parametrize("name", ["connect", "send", "close", "on", "ping", "receive", "wait_closed"])
def test_methods_are_among_those_who_raise(name: str) -> None:
    """The methods whose docstrings name a code are found."""
    assert any(f"`{name}`" in row[3] for row in table("errors.codes"))


def test_every_kind_has_a_row() -> None:
    """Each exception class is there, with Trio's name for it where there is one."""
    rows = table("errors.kinds")

    assert KINDS == [row[0].rpartition(".")[2].strip("`") for row in rows]
    assert ["ClosedResourceError", "", "BrokenResourceError", "EndOfChannel", ""] == [
        row[1].removeprefix("`trio.").strip("`") for row in rows
    ]


def test_every_call_that_waits_says_what_cancelling_it_leaves() -> None:
    """The methods that are awaited are there, and nothing else is; an empty section would fail the build."""
    rows = dict(table("cancellation.cancelled"))

    assert {
        *("`open_websocket`", "`connect`", "`send`", "`flush`", "`close`", "`aclose`", "`receive`", "`ping`"),
        *("`wait_closed`", "`EventStream.receive`", "`EventStream.aclose`"),
    } == set(rows)
    assert all(rows.values())


def test_every_event_has_a_row() -> None:
    """Each event is there, with the arguments of its callbacks."""
    assert {
        "open": "`(err, value)`",
        "openInfo": "`(err, value)`",
        "message": "`(err, value)`",
        "close": "`(err, value)`",
        "error": "`(err)`",
        "dataEnd": "`()`",
        "headerReceive": "`(value)`",
    } == {row[0].strip("`"): row[1] for row in table("events.events")}


def test_the_scenarios_tell_every_event() -> None:
    """No event is told in no scenario, and every scenario has something to say."""
    rows = table("scenarios.scenarios")

    assert [] == [name for name in get_args(EventName) if not any(f"`{name}(" in row[1] for row in rows)]
    assert [] == [row for row in rows if row[1] == "none" and not row[2]]
