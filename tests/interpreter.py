"""Python as a process of its own, with the package that is under test here."""

import os
import subprocess
import sys
from pathlib import Path

import trio_ohws


def run_python(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it in a folder, with warnings as errors; its output is text."""
    environment = os.environ | {"PYTHONPATH": str(Path(trio_ohws.__file__).parent.parent)}
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
