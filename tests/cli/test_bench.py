"""`bench`: what it measures, and what it does not take for an echo."""

import json
import re

import pytest

from tests.cli.program import call, run_program
from tests.cli.screen import on_screen
from tests.scripted_peer import CLOSE, TEXT, Peer, frame, polite
from tests.served import served

SHORTLY = ("-d", "0.05")


async def answer_wrongly(peer: Peer) -> None:
    """Answer each message with another one."""
    await peer.accept()
    while (one := await peer.receive()) is not None:
        if one.opcode == CLOSE:
            await peer.send(frame(CLOSE, one.payload))
            return
        await peer.send(frame(TEXT, b"what?"))


def test_figures(node: str) -> None:
    """Messages, rate, latency, and a histogram; no progress where nobody looks."""
    ended = run_program("bench", node, *SHORTLY)

    assert (0, "") == (ended.status, ended.trouble)
    assert re.match(r"ws://127\.0\.0\.1:\d+: 1 connection, 1 in flight, 64 bytes\n", ended.output)
    assert re.search(r"^rate     [\d,]+ messages/s, [\d.]+ MiB/s each way$", ended.output, re.MULTILINE)
    assert re.search(
        r"^latency  min .* p50 .* p90 .* p99 .* p99\.9 .* max .*\(ms\)$", ended.output, re.MULTILINE
    )
    assert re.search(r"^ +[\d.]+ ms  #+ \d+$", ended.output, re.MULTILINE)


def test_json(echo: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The figures agree with each other; several connections, several messages in flight."""
    load = ["--connections", "3", "--in-flight", "5", "-s", "1k"]
    assert 0 == call("bench", echo, "--json", *load, *SHORTLY)
    summary = json.loads(capsys.readouterr().out)
    latency = list(summary["latency_ms"].values())

    assert (3, 5, 1024) == (summary["connections"], summary["in_flight"], summary["size"])
    assert summary["messages"] == sum(row["count"] for row in summary["histogram"]) >= 15
    assert summary["messages_per_second"] == pytest.approx(summary["messages"] / summary["seconds"], 0.01)
    assert sorted(latency) == latency


@pytest.mark.parametrize("number", ["1", "3"])
def test_no_echo_server(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Another answer is told, and the status 1."""
    with served(answer_wrongly) as url:
        assert 1 == call("bench", url, "--connections", number)

    assert "trio-ohws bench: what came back is not what was sent" in capsys.readouterr().err


def test_nothing_comes_back(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that only listens is told, and the status 1."""
    monkeypatch.setattr("trio_ohws.cli.bench._LAST_ANSWERS_S", 0.01)
    with served(polite) as url:
        assert 1 == call("bench", url, "-d", "0.01")

    assert ("", "trio-ohws bench: nothing came back; is this an echo server?\n") == capsys.readouterr()


def test_nobody_listens(closed_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """One refusal is told, however many connections were tried."""
    assert 1 == call("bench", f"ws://127.0.0.1:{closed_port}/", "--connections", "4")

    assert 1 == capsys.readouterr().err.count("connection refused")


def test_ctrl_c(echo: str) -> None:
    """What was measured until then is shown."""
    with on_screen("bench", echo, "-d", "1000") as screen:
        screen.expect("/s")
        screen.expect("/s")
        screen.type("\x03")
        screen.expect("messages there and back")
        status, rest = screen.end()

    assert 130 == status
    assert "interrupted" in rest


def test_at_a_terminal(echo: str) -> None:
    """There is progress, then colours and blocks."""
    with on_screen("bench", echo, "-d", "0.3") as screen:
        screen.expect("%  ")
        shown = screen.expect("messages there and back")
        status, rest = screen.end()

    assert 0 == status
    assert "\r\x1b[K" in shown
    assert "\N{FULL BLOCK}" in rest
