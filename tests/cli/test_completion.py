"""`completion`: the scripts know what the parsers know."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.program import PATIENCE_S, call, run_program
from tests.cli.screen import on_screen
from tests.cli.test_command import VERBS
from trio_ohws.cli.completion import SHELLS


@pytest.fixture(scope="module")
def script() -> str:
    """The one for bash, by the program."""
    ended = run_program("completion", "bash")
    assert (0, "") == (ended.status, ended.trouble)
    return ended.output


def completed(script: str, folder: Path, *words: str) -> list[str]:
    """What bash proposes for the last word."""
    typed = " ".join(f"'{word}'" for word in ("trio-ohws", *words))
    asked = f"COMP_WORDS=({typed}) COMP_CWORD={len(words)}"
    line = f'{script}\n{asked}\n_trio_ohws\nprintf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(
        ["bash", "-uc", line], cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert ("", 0) == (done.stderr, done.returncode)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "proposed"),
    [
        ([""], VERBS),
        (["co"], ["connect", "completion"]),
        (["connect", "--pr"], ["--proxy"]),
        (["connect", "--nd"], ["--ndjson"]),
        (["ping", "--nd"], []),
        (["bench", "--in"], ["--insecure", "--in-flight"]),
        (["connect", "--ca", "c"], ["ca.pem"]),
        (["connect", "--proxy", ""], []),
        (["completion", "z"], ["zsh"]),
    ],
)
def test_bash(words: list[str], proposed: list[str], script: str, tmp_path: Path) -> None:
    """Verbs, their options, files where one belongs, and nothing where nobody knows."""
    (tmp_path / "ca.pem").touch()

    assert proposed == completed(script, tmp_path, *words)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_option_is_known(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What ``--help`` shows of each verb is in the script, and the shell, if it is here, can read that."""
    assert 0 == call("completion", shell)
    script = capsys.readouterr().out
    for verb in VERBS:
        assert 0 == call(verb, "--help")
        for option in re.findall(r"^  .*?(--[a-z-]+)", capsys.readouterr().out, re.MULTILINE):
            assert (f"-l {option[2:]} " if shell == "fish" else option) in script

    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, timeout=PATIENCE_S, check=True)


def test_a_shell_that_nobody_knows(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2."""
    assert 2 == call("completion", "tcsh")

    assert "invalid choice" in capsys.readouterr().err


def test_at_a_terminal() -> None:
    """It is the same there."""
    with on_screen("completion", "fish") as screen:
        screen.expect("complete -c trio-ohws -f\r\n")
        status, rest = screen.end()

    assert 0 == status
    assert "\x1b" not in rest
