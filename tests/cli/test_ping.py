"""`ping`: what it prints, and how it ends."""

import json
import re

import pytest

from tests.cli.program import call, run_program, running_program
from tests.cli.screen import on_screen
from tests.keeper import Keeper
from tests.scripted_peer import CLOSE, PING, Peer, frame
from tests.served import served

REPORT = r"""PING ws://127.0.0.1:\d+
pong 1: \d+\.\d{3} ms
pong 2: \d+\.\d{3} ms
pong 3: \d+\.\d{3} ms
--- ws://127.0.0.1:\d+ ping statistics ---
3 pings, 3 pongs, 0% lost, time \d+ ms
rtt min/avg/max/mdev = \d+\.\d+/\d+\.\d+/\d+\.\d+/\d+\.\d+ ms
"""
QUICKLY = ("-i", "0")


async def answer_no_pings(peer: Peer) -> None:
    """Answer nothing but Close."""
    await peer.accept()
    while (one := await peer.receive()) is not None:
        if one.opcode == CLOSE:
            await peer.send(frame(CLOSE, one.payload))
            return


async def hang_up_on_ping(peer: Peer) -> None:
    """Accept, and be gone when the first ping comes."""
    await peer.accept()
    await peer.receive()


def test_round_trips(node: str) -> None:
    """As many as were asked for, then the figures of ping(8)."""
    ended = run_program("ping", node, "-c", "3", *QUICKLY)

    assert (0, "") == (ended.status, ended.trouble)
    assert re.fullmatch(REPORT, ended.output)


def test_json(echo: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``--json`` prints one object, whose figures agree with each other."""
    assert 0 == call("ping", echo, "-c", "4", "--json", *QUICKLY)
    summary = json.loads(capsys.readouterr().out)
    rtt = summary["rtt_ms"]

    assert (4, 4) == (summary["pings"], summary["pongs"])
    assert 0 < rtt["min"] <= rtt["avg"] <= rtt["max"]
    assert 0 <= rtt["mdev"] <= rtt["max"]


def test_a_server_that_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """A pong that does not come in time is lost, and the status 1."""
    with served(answer_no_pings) as url:
        assert 1 == call("ping", url, "-c", "2", "-W", "0.01", *QUICKLY)
    output = capsys.readouterr().out

    assert "pong 2: none within 0.01 s\n" in output
    assert "2 pings, 0 pongs, 100% lost" in output
    assert "rtt" not in output


def test_a_link_that_breaks(capsys: pytest.CaptureFixture[str]) -> None:
    """It is told with what was measured until then; the status is 1."""
    with served(hang_up_on_ping) as url:
        assert 1 == call("ping", url)
    output, trouble = capsys.readouterr()

    assert "1 pings, 0 pongs, 100% lost" in output
    assert trouble.startswith("[2302999] ")


def test_ctrl_c() -> None:
    """The summary is printed, and the server gets a Close."""
    keeper = Keeper()
    with served(keeper) as url, running_program("ping", url) as program:
        assert program.line().startswith("PING")
        assert program.line().startswith("pong 1")
        ended = program.interrupt()

    assert (130, "interrupted\n") == (ended.status, ended.trouble)
    assert "1 pings, 1 pongs, 0% lost" in ended.output
    assert b"\x03\xe9" == keeper.frames[-1].payload
    assert PING == keeper.frames[0].opcode


def test_at_a_terminal(echo: str) -> None:
    """It is the same there."""
    with on_screen("ping", echo, "-c", "1") as screen:
        screen.expect("pong 1: ")
        status, rest = screen.end()

    assert 0 == status
    assert "1 pings, 1 pongs, 0% lost" in rest
