"""The documentation's examples run, and print what they say they print."""

from pathlib import Path

import pytest

from tests.interpreter import run_python

EXAMPLES = sorted((Path(__file__).parent.parent / "docs" / "examples").glob("*.py"))
HEADING = "\n# Output:\n"
SHOWN = [path for path in EXAMPLES if HEADING in path.read_text(encoding="utf-8")]


def test_there_are_examples() -> None:
    """The examples are where they are looked for."""
    assert {
        "anyio_stream",
        "blocking",
        "blocking_callbacks",
        "memory_network",
        "policy",
        "proxies",
        "tls",
    } <= {path.stem for path in SHOWN}


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.stem)
def test_an_example_prints_its_output(path: Path) -> None:
    """An example is a program of its own, whose last comment is what it prints."""
    promised = path.read_text(encoding="utf-8").partition(HEADING)[2]
    expected = [line.removeprefix("# ") for line in promised.splitlines()]
    ended = run_python(str(path), folder=path.parent)

    assert "" == ended.stderr
    assert expected == ended.stdout.splitlines()
    assert 0 == ended.returncode


def test_the_tested_bot_passes_its_tests() -> None:
    """The example of the page about testing is a project of its own, run by pytest as a user would."""
    ended = run_python("-m", "pytest", "-q", "-p", "no:cacheprovider", folder=EXAMPLES[0].parent / "bot")

    assert "" == ended.stderr
    assert "4 passed" in ended.stdout
