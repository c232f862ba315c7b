"""What `pip install .` makes where there is no compiler; `make wheel` tests the other kind."""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent


def build(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Build a wheel, with a compiler that fails."""
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT,
        env={**os.environ, "CC": "false", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("wanted", "warned"), [("", True), ("0", False)])
def test_without_a_compiler_the_wheel_is_pure(tmp_path: Path, wanted: str, warned: bool) -> None:
    """It is one for any machine, with the loop in it; and it says so, unless that was asked for."""
    built = build(tmp_path, TRIO_OHWS_COMPILE=wanted)
    assert 0 == built.returncode, built.stderr
    [wheel] = tmp_path.iterdir()
    names = ZipFile(wheel).namelist()

    assert wheel.name.endswith("-py3-none-any.whl")
    assert "trio_ohws/_wire/splitter.py" in names
    assert not [name for name in names if name.endswith((".so", ".pyd", ".c"))]
    assert warned == ("trio_ohws is not compiled" in built.stderr)


def test_whoever_insists_gets_an_error(tmp_path: Path) -> None:
    """And no wheel."""
    built = build(tmp_path, TRIO_OHWS_COMPILE="1")

    assert built.returncode
    assert not list(tmp_path.glob("*.whl"))
