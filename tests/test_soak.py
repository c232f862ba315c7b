"""The soak itself, so scaled down that it shows no more than that it works."""

import importlib.util
from pathlib import Path

import pytest

from tests.interpreter import run_python
from tests.peers import missing

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _server() -> None:
    for package in ("picows", "uvloop"):
        if importlib.util.find_spec(package) is None:
            missing(package, "make bench installs it")


@pytest.mark.parametrize("name", ["idle", "cycles", "messages", "flood"])
def test_a_little_soak(name: str) -> None:
    """It prints its figures, and finds that nothing has grown."""
    done = run_python("-m", "benchmarks.soak", "--scale=0.0001", f"--only={name}", folder=ROOT)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert done.stdout.startswith(f"| {name} ")
    assert "file descriptors" in done.stdout


def test_growth_fails_the_run() -> None:
    """What is more than tolerated is said, and is the exit status."""
    done = run_python(
        "-m", "benchmarks.soak", "--scale=0.0001", "--only=exchange", "--rss-mib=-1000", folder=ROOT
    )

    assert 1 == done.returncode, done.stdout + done.stderr
    assert "TOO MUCH: at most -1 000" in done.stdout
