"""The demo: what it prints, and how it ends."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import pytest
import trio
from trio_websocket import WebSocketRequest, serve_websocket

from tests.cli.program import run_program
from tests.cli.screen import on_screen
from trio_ohws.cli.command import main
from trio_ohws.cli.demo import demo

EVENTS = [
    "echo server",
    "headerReceive",
    "open",
    "connect",
    "send",
    "dataEnd",
    "message",
    "ping",
    "dataEnd",
    "message",
    "close",
    "close",
    "figures",
]


def said(output: str) -> list[str]:
    """Return what each line is about; answers to `connect` and `send`, which may be late, after "open"."""
    words = [line[:15].strip() for line in output.splitlines()]
    if "open" in words:
        told = words.index("open") + 1
        words[told:] = sorted(words[told:], key=lambda word: ["connect", "send", word].index(word))
    return words


@pytest.fixture
def mute_port() -> Iterator[int]:
    """A port where TCP is accepted, and nothing ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_it_prints_each_event_as_it_comes(capsys: pytest.CaptureFixture[str]) -> None:
    """Against the server of its own: the document's events in order, then the figures; status 0."""
    assert 0 == main(["demo"])
    output, trouble = capsys.readouterr()

    assert EVENTS == said(output)
    assert "open           101 'Switching Protocols', subprotocol 'my-protocol'" in output
    assert "close          1000 '', clean" in output
    assert "figures        2 messages sent, 2 received, " in output
    assert "" == trouble


def test_it_is_a_module_that_can_be_run() -> None:
    """``python -m trio_ohws demo`` does the same, and ends by itself."""
    done = subprocess.run(
        [sys.executable, "-m", "trio_ohws", "demo"], capture_output=True, text=True, timeout=30, check=False
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert EVENTS == said(done.stdout)


def test_it_runs_at_a_terminal() -> None:
    """There it prints the same, and Ctrl-C is not needed to end it."""
    with on_screen("demo") as screen:
        status, shown = screen.end()

    assert 0 == status
    assert EVENTS == said(shown)


def test_it_talks_to_node(node: str) -> None:
    """Another server's answers are told in the same order; it has no subprotocol to choose."""
    ended = run_program("demo", "--url", node)

    assert 0 == ended.status
    assert EVENTS[1:] == said(ended.output)


def test_nobody_listens(closed_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A refused connection is one clear sentence on stderr, and status 1."""
    assert 1 == main(["demo", "--url", f"ws://127.0.0.1:{closed_port}/"])
    output, trouble = capsys.readouterr()

    assert ["error"] == said(output)
    assert trouble.startswith("demo failed: [2302999] ")
    assert f"connection refused by 127.0.0.1 port {closed_port}" in trouble


def test_a_server_that_says_nothing(mute_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """It gives up in time, says so, and ends with status 1."""
    assert 1 == main(["demo", "--url", f"ws://127.0.0.1:{mute_port}/", "--timeout", "0.1"])

    assert "demo failed: nothing more came within 0.1 s\n" == capsys.readouterr().err


async def test_a_server_that_closes(nursery: trio.Nursery, capsys: pytest.CaptureFixture[str]) -> None:
    """A connection that the server ends before "bye" came has failed."""

    async def refuse_to_talk(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.aclose(4000, "not today")

    server = await nursery.start(partial(serve_websocket, refuse_to_talk, "127.0.0.1", 0, ssl_context=None))

    assert 1 == await demo(f"ws://127.0.0.1:{server.port}/", 10)
    assert "demo failed: the connection ended with 4000 'not today'\n" == capsys.readouterr().err


def test_a_bad_url(capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong with a URL is said in OHOS's words and ours."""
    assert 1 == main(["demo", "--url", "http://127.0.0.1/"])

    assert capsys.readouterr().err.startswith("demo failed: [2302001] ")


@pytest.mark.parametrize("seconds", ["0", "-1", "inf", "nan", "soon"])
def test_a_bad_timeout(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A timeout that is none is a wrong use: status 2."""
    with pytest.raises(SystemExit) as caught:
        main(["demo", f"--timeout={seconds}"])

    assert 2 == caught.value.code
    assert "--timeout" in capsys.readouterr().err


def test_no_verb(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a verb there is nothing to do: status 2."""
    with pytest.raises(SystemExit) as caught:
        main([])

    assert 2 == caught.value.code
    assert "VERB" in capsys.readouterr().err


def test_ctrl_c(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends it without a traceback, with the shell's own status for that."""

    def interrupted(*arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("trio_ohws.cli.command.trio.run", interrupted)

    assert 130 == main(["demo"])
    assert "interrupted\n" == capsys.readouterr().err
