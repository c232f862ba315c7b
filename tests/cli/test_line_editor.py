"""Editing a line: keys in, lines out."""

import pytest
from hypothesis import given, settings, strategies as st

from trio_ohws.cli.line_editor import LineEditor, columns

UP, DOWN, RIGHT, LEFT = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"
HOME, END, DELETE, BACKSPACE = "\x1b[H", "\x1b[F", "\x1b[3~", "\x7f"


def lines(keys: str) -> list[str]:
    """What an editor makes of keys."""
    return LineEditor().feed(keys.encode())


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("hello", "hello"),
        (f"world{HOME}hello ", "hello world"),
        (f"held{LEFT}l{END}!", "helld!"),
        (f"abc{LEFT}{BACKSPACE}", "ac"),
        (f"{BACKSPACE}abc{HOME}{DELETE}{LEFT}", "bc"),
        (f"abc{HOME}{RIGHT}\x04", "ac"),
        ("one two\x17three", "one three"),
        ("one two  \x17", "one "),
        ("one\x01\x0btwo", "two"),
        ("one\x15two", "two"),
        ("\x02a\x06b\x05c", "abc"),
        ("日本\x7f語", "日語"),
        ("a\tb", "a b"),
        ("a\x1b[31mb\x1bxc\x1b[5~\x00", "abc"),
        ("\x1bOHa\x1bOFb", "ab"),
    ],
)
def test_keys(keys: str, line: str) -> None:
    """Each key does what it does in other programs; those that are unknown do nothing."""
    assert [line] == lines(f"{keys}\r")


def test_history() -> None:
    """Up and down go through the lines before, and come back to the one that was begun."""
    editor = LineEditor()
    editor.feed(b"one\ntwo\ntwo\n\nthr")
    seen = []
    for key in (UP, UP, UP, DOWN, DOWN, DOWN):
        editor.feed(key.encode())
        seen.append(editor.text)

    assert ["two", "one", "one", "two", "thr", "thr"] == seen


def test_a_line_of_the_history_is_sent_again() -> None:
    """What is done to it does not change the history."""
    assert ["one", "one!", "one"] == lines(f"one\n{UP}!\n{UP}{UP}\n")


def test_the_end() -> None:
    """Ctrl-D ends an empty line only."""
    editor = LineEditor()

    assert ["a"] == editor.feed(b"a\x04\n")
    assert not editor.ended
    assert ["b"] == editor.feed(b"b\n\x04c\n")
    assert editor.ended


def test_an_escape_sequence_without_an_end() -> None:
    """It is forgotten at some time."""
    editor = LineEditor()

    assert [] == editor.feed(b"\x1b[" + b"1" * 40)
    assert ["ok"] == editor.feed(b"ok\n")


@settings(max_examples=30)
@given(st.text(st.characters(codec="utf-8"), max_size=20), st.lists(st.integers(1, 4), max_size=60))
def test_cuts(text: str, cuts: list[int]) -> None:
    """However the terminal cuts what it sends, within characters and keys too, the lines are the same."""
    keys = f"{text}{LEFT}ä{HOME}x\n".encode().replace(b"\x04", b"")
    whole = LineEditor().feed(keys)
    editor, found = LineEditor(), []
    for cut in cuts:
        found += editor.feed(keys[:cut])
        keys = keys[cut:]

    assert whole == found + editor.feed(keys)


@settings(max_examples=30)
@given(st.text("ab日\u0301", max_size=60), st.integers(0, 60), st.integers(4, 20))
def test_a_long_line_is_cut_around_the_cursor(text: str, place: int, width: int) -> None:
    """What is shown fits, and the cursor is within it."""
    editor = LineEditor()
    editor.feed(text.encode() + LEFT.encode() * place)
    shown, column = editor.view(width)

    assert shown in text
    assert columns(shown) < width
    assert 0 <= column <= columns(shown)
