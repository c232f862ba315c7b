"""The targets by name."""

from collections.abc import Callable
from pathlib import Path

from tests.fuzz import address, answer, frames, goodbye, proxy

__all__ = ["CORPUS", "TARGETS", "inputs"]

TARGETS: dict[str, Callable[[bytes], object]] = {
    "frames": frames.check,
    "answer": answer.check,
    "proxy": proxy.check,
    "address": address.check,
    "goodbye": goodbye.check,
}

CORPUS = Path(__file__).parent / "corpus"


def inputs(target: str) -> list[Path]:
    """Return the files of a target's corpus."""
    return sorted((CORPUS / target).iterdir())
