"""The programs that stand side by side in the documentation do the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interpreter import run_python
from tests.tutorial_server import served

DOCS = Path(__file__).parent.parent / "docs"
PROGRAMS = sorted((DOCS / "examples" / "coming_from").glob("with_*.py"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The tutorial's server; its URL."""
    with served(folder=tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_the_conversation_is_the_same(path: Path, server: str) -> None:
    """Whatever the library: an answer, no answer to what has none, and the server's goodbye."""
    ended = run_python(str(path), server, folder=path.parent)

    assert ["hello", "closed with 1000"] == ended.stdout.splitlines()
    assert 0 == ended.returncode


def test_the_page_has_every_program() -> None:
    """Each is shown, and the list is not empty."""
    page = (DOCS / "coming-from.md").read_text(encoding="utf-8")

    assert 4 == len(PROGRAMS)
    assert [] == [path.name for path in PROGRAMS if f"examples/coming_from/{path.name}" not in page]
