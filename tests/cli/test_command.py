"""The command as a whole: help, and what is typed wrongly."""

import pytest

from tests.cli.program import call, run_program

VERBS = ["connect", "ping", "bench", "doctor", "echo-server", "demo", "completion"]
ROWS, COLUMNS = 24, 80


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_fits_on_a_screen(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is readable without scrolling, with a line to spare for the prompt; the status is 0."""
    assert 0 == call(*filter(None, [verb]), "--help")
    output, trouble = capsys.readouterr()
    lines = output.splitlines()

    assert "" == trouble
    assert len(lines) < ROWS
    assert max(map(len, lines)) < COLUMNS


def test_help_names_every_verb() -> None:
    """With what each does, also where standard output is a pipe."""
    ended = run_program("--help")

    assert (0, "") == (ended.status, ended.trouble)
    assert VERBS == [line.split()[0] for line in ended.output.splitlines() if line.startswith("    ")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cnonect"], "invalid choice"),
        (["ping"], "required: URL"),
        (["ping", "ws://h/", "-c", "0"], "argument -c/--count: must be a whole number above 0"),
        (["ping", "ws://h/", "-i", "-1"], "must be a number of seconds, 0 or more, or 'inf'"),
        (["ping", "ws://h/", "--connect-timeout", "inf"], "must be a number of seconds above 0"),
        (["ping", "ws://h/", "--max-size", "1T"], "must be a number of bytes, such as 512, 64k or 16M"),
        (["ping", "ws://h/", "--max-size", "0k"], "must be a number of bytes"),
        (["ping", "ws://h/", "--comp"], "unknown option: --comp"),
        (["ping", "ws://h/", "-H", "@/nowhere"], "cannot read /nowhere: No such file"),
        (["ping", "ws://h/", "--key", "k"], "belong to a certificate: --cert"),
        (["ping", "ws://h/", "--cert", "c", "--key-password-file", "/nowhere"], "cannot read /nowhere"),
        (["connect", "ws://127.0.0.1:1/", "-o", "/"], "cannot write /: Is a directory"),
    ],
)
def test_wrong_use(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told in one sentence; the status is 2."""
    assert 2 == call(*arguments)
    output, trouble = capsys.readouterr()

    assert "" == output
    assert words in trouble
