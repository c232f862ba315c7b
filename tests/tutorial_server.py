"""The server of the tutorial, as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio_ohws

SERVER = Path(__file__).parent.parent / "docs" / "examples" / "tutorial" / "server.py"


@contextmanager
def served(*arguments: str, folder: Path) -> Iterator[str]:
    """Run the tutorial's server on a free port; its URL."""
    command = [sys.executable, "-W", "error", str(SERVER), "0", *arguments]
    environment = os.environ | {"PYTHONPATH": str(Path(trio_ohws.__file__).parent.parent)}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()
