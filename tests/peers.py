"""Where foreign peers live, and what happens to a test whose peer is not installed."""

import os
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
PEERS = Path(os.environ.get("TRIO_OHWS_PEERS") or CACHE / "trio_ohws")


def missing(peer: str, advice: str) -> None:
    """Skip the test that needs `peer`, by name; in CI every peer is there, so the test fails."""
    sentence = f"{peer} is not installed: {advice}"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)
