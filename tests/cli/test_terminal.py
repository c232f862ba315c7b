"""`connect` at a terminal."""

import os
import sys
from pathlib import Path

import pytest

from tests.cli.program import ENVIRONMENT
from tests.cli.screen import on_screen
from tests.keeper import NORMAL, Keeper
from tests.scripted_peer import BINARY, CLOSE, TEXT, Frame, Peer, frame
from tests.served import served

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has terminals of another kind")

UP = "\x1b[A"
PLAIN = {"NO_COLOR": "1"}
PROMPT = "\r\x1b[K> "


@pytest.mark.parametrize("server", ["echo", "node"])
def test_a_conversation(server: str, request: pytest.FixtureRequest) -> None:
    """What is typed is sent, what comes is shown, the history works, and Ctrl-D ends it."""
    url = request.getfixturevalue(server)
    with on_screen("connect", url, environment=PLAIN) as screen:
        screen.expect("connected to ws://127.0.0.1:")
        screen.expect(PROMPT)
        screen.type("héllo\r")
        screen.expect("> héllo\r\n")
        screen.expect("< héllo\r\n")
        screen.type(f"{UP}\x7f!\r")
        screen.expect("< héll!\r\n")
        screen.type("\x04")
        status, rest = screen.end()

    assert 0 == status
    assert rest.endswith("\x1b[Kclosed by us: 1000\r\n")


async def speak(peer: Peer) -> None:
    """Speak when spoken to: what would move a cursor, then bytes; then close."""
    await peer.accept()
    while (one := await peer.receive()) is not None and one.opcode == TEXT:
        await peer.send(frame(TEXT, b"\x1b[2J\xe2\x80\xae\nx"), frame(BINARY, bytes(range(4))))
        await peer.send(frame(BINARY, bytes(300)))
        if one.payload == b"bye":
            await peer.close(1000, "so \x07long")
            return


def test_what_comes_while_something_is_typed() -> None:
    """It is shown above the line, control characters escaped, binary as hex, a long one in part."""
    with served(speak) as url, on_screen("connect", url, "--timing", environment=PLAIN) as screen:
        screen.expect(PROMPT)
        screen.type("hi\rby")
        screen.expect("< \\x1b[2J\\u202e\\nx\r\n")
        shown = screen.expect("< 00 01 02 03 (4 bytes)\r\n")
        screen.expect("00 ... and 44 bytes more (300 bytes)\r\n")
        screen.expect("\x1b[K> by\r")
        screen.type("e\r")
        status, rest = screen.end()

    assert 0 == status
    assert "0.0" in shown
    assert "closed by the server: 1000 so \\x07long\r\n" in rest


def test_ctrl_c() -> None:
    """It closes politely; the terminal is what it was before."""
    keeper = Keeper()
    with served(keeper) as url, on_screen("connect", url, environment=PLAIN) as screen:
        before = screen.echoes()
        screen.expect(PROMPT)
        during = screen.echoes()
        screen.type("hel\x03")
        screen.expect("interrupted\r\n")
        after = screen.echoes()
        status, _ = screen.end()

    assert 130 == status
    assert (True, False, True) == (before, during, after)
    assert [Frame(CLOSE, b"\x03\xe9")] == keeper.frames


def test_ctrl_z() -> None:
    """After a pause the terminal is ours again, and the line is drawn anew."""
    keeper = Keeper()
    with served(keeper) as url, on_screen("connect", url, environment=PLAIN) as screen:
        screen.expect(PROMPT)
        screen.type("hel")
        screen.expect("> hel\r")
        screen.pause_and_resume()
        screen.expect("> hel\r")
        screen.type("lo\r\x04")
        status, _ = screen.end()

    assert 0 == status
    assert [Frame(TEXT, b"hello"), NORMAL] == keeper.frames


def test_events_and_a_file_beside_a_conversation(echo: str) -> None:
    """With ``-o`` messages are not shown; events are."""
    with on_screen("connect", echo, "-o", "/dev/null", "--events", environment=PLAIN) as screen:
        screen.expect("* openInfo      101 Switching Protocols, subprotocol none\r\n")
        screen.expect(PROMPT)
        screen.type("hello\r")
        shown = screen.expect("* dataEnd\r\n")
        screen.type("\x04")
        status, rest = screen.end()

    assert 0 == status
    assert "* message       text, 5 characters\r\n" in shown
    assert "* close         1000\r\n" in rest
    assert "<" not in shown


def test_colours(echo: str) -> None:
    """They are there, if nothing forbids them."""
    with on_screen("connect", echo) as screen:
        screen.expect("\x1b[1;32m>\x1b[0m ")
        screen.type("hello\r")
        shown = screen.expect("hello\r\n")
        shown += screen.expect("hello\r\n")
        screen.type("\x04")
        status, _ = screen.end()

    assert 0 == status
    assert "\x1b[1;36m<\x1b[0m hello" in shown


def test_a_terminal_that_can_nothing(echo: str) -> None:
    """On a dumb one lines are read as from a pipe."""
    with on_screen("connect", echo, environment={"TERM": "dumb"}) as screen:
        screen.expect("connected to ws://127.0.0.1:")
        screen.expect("\r\n")
        screen.type("hello\r")
        screen.expect("hello\r\nhello\r\n")
        screen.type("\x04")
        status, rest = screen.end()

    assert 0 == status
    assert "\x1b" not in rest


def test_without_rich(echo: str, tmp_path: Path) -> None:
    """The extra is one: without it there are no colours, and everything else."""
    (tmp_path / "rich.py").write_text("raise ImportError")
    path = f"{tmp_path}{os.pathsep}{ENVIRONMENT['PYTHONPATH']}"
    with on_screen("connect", echo, environment={"PYTHONPATH": path}) as screen:
        screen.expect(PROMPT)
        screen.type("hello\r")
        screen.expect("< hello\r\n")
        screen.type("\x04")

        assert 0 == screen.end()[0]
