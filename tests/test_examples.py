"""The documentation's examples run, and print what they say they print."""

from pathlib import Path

import pytest

from tests.interpreter import run_python

EXAMPLES = sorted((Path(__file__).parent.parent / "docs" / "examples").glob("*.py"))
HEADING = "\n# Output:\n"
ANY_ORDER = "\n# Output, in some order:\n"  # of tasks that do not wait for each other
SHOWN = [path for path in EXAMPLES if HEADING in path.read_text(encoding="utf-8")]
UNORDERED = [path for path in EXAMPLES if ANY_ORDER in path.read_text(encoding="utf-8")]


def test_there_are_examples() -> None:
    """The examples are where they are looked for."""
    assert {
        "anyio_stream",
        "api_document_idiomatic",
        "blocking",
        "blocking_callbacks",
        "memory_network",
        "observing",
        "observing_log",
        "observing_otel",
        "policy",
        "proxies",
        "tls",
    } <= {path.stem for path in SHOWN}
    assert ["api_document"] == [path.stem for path in UNORDERED]


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.stem)
def test_an_example_prints_its_output(path: Path) -> None:
    """An example is a program of its own, whose last comment is what it prints."""
    promised = path.read_text(encoding="utf-8").partition(HEADING)[2]
    expected = [line.removeprefix("# ") for line in promised.splitlines()]
    ended = run_python(str(path), folder=path.parent)

    assert "" == ended.stderr
    assert expected == ended.stdout.splitlines()
    assert 0 == ended.returncode


@pytest.mark.parametrize("path", UNORDERED, ids=lambda path: path.stem)
def test_an_example_prints_its_output_in_some_order(path: Path) -> None:
    """What independent tasks print is there, and nothing else is."""
    promised = path.read_text(encoding="utf-8").partition(ANY_ORDER)[2]
    expected = [line.removeprefix("# ") for line in promised.splitlines()]
    ended = run_python(str(path), folder=path.parent)

    assert "" == ended.stderr
    assert sorted(expected) == sorted(ended.stdout.splitlines())
    assert 0 == ended.returncode


def test_the_tested_bot_passes_its_tests() -> None:
    """The example of the page about testing is a project of its own, run by pytest as a user would."""
    ended = run_python("-m", "pytest", "-q", "-p", "no:cacheprovider", folder=EXAMPLES[0].parent / "bot")

    assert "" == ended.stderr
    assert "4 passed" in ended.stdout


def test_no_page_has_a_program_that_does_not_run() -> None:
    """Pages include files, which run here, or have doctests; tests/test_readme.py runs the first page."""
    pages = EXAMPLES[0].parent.parent.glob("*.md")

    assert {"index.md"} == {page.name for page in pages if "```python" in page.read_text(encoding="utf-8")}
