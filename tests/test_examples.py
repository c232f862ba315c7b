"""The documentation's examples run, and print what they say they print."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "docs" / "examples").glob("*.py"))
HEADING = "\n# Output:\n"
SHOWN = [path for path in EXAMPLES if HEADING in path.read_text(encoding="utf-8")]


def test_there_are_examples() -> None:
    """The examples are where they are looked for."""
    assert {"policy", "proxies", "tls"} <= {path.stem for path in SHOWN}


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.stem)
def test_an_example_prints_its_output(path: Path) -> None:
    """An example is a program of its own, whose last comment is what it prints."""
    promised = path.read_text(encoding="utf-8").partition(HEADING)[2]
    expected = [line.removeprefix("# ") for line in promised.splitlines()]
    ended = subprocess.run(
        [sys.executable, "-W", "error", str(path)], capture_output=True, text=True, timeout=30, check=False
    )

    assert "" == ended.stderr
    assert expected == ended.stdout.splitlines()
    assert 0 == ended.returncode
