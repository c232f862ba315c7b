"""Whoever follows the tutorial sees what it promises."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interpreter import run_python
from tests.tutorial_server import served

DOCS = Path(__file__).parent.parent / "docs"
FOLDER = DOCS / "examples" / "tutorial"
PAGE = (DOCS / "tutorial.md").read_text(encoding="utf-8")
SECURE = ["reconnecting", "secure"]
PLAIN = ["callbacks", "closing", "hello", "iterate", "timeouts"]


@pytest.fixture(scope="module")
def plain_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server of the first half; its URL."""
    with served(folder=tmp_path_factory.mktemp("plain")) as url:
        yield url


@pytest.fixture(scope="module")
def secure_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The server of the second half, with the certificate that the page's own command makes."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("secure")
    command = next(line for line in PAGE.splitlines() if line.startswith("$ openssl")).removeprefix("$ ")
    subprocess.run(shlex.split(command), cwd=folder, check=True, capture_output=True)
    with served("cert.pem", "key.pem", folder=folder) as url:
        yield url, folder / "cert.pem"


def check(name: str, *arguments: str) -> None:
    """Run a program of the tutorial, and compare what it prints with its last comment."""
    path = FOLDER / f"{name}.py"
    expected = [
        line.removeprefix("# ")
        for line in path.read_text(encoding="utf-8").partition("\n# Output:\n")[2].splitlines()
    ]
    ended = run_python(str(path), *arguments, folder=FOLDER)

    assert "" == ended.stderr
    assert expected == ended.stdout.splitlines()
    assert expected


@pytest.mark.parametrize("name", PLAIN)
def test_a_program_prints_what_it_says(name: str, plain_server: str) -> None:
    """The programs of the first half print their last comment."""
    check(name, plain_server)


@pytest.mark.parametrize("name", SECURE)
def test_a_program_prints_what_it_says_over_tls(name: str, secure_server: tuple[str, Path]) -> None:
    """So do those that talk TLS, and the page shows the same output."""
    url, certificate = secure_server
    check(name, url, str(certificate))


def test_the_page_has_every_program() -> None:
    """What runs here is what the reader is shown, and nothing else is shown."""
    shown = re.findall(r"\{literalinclude\} examples/tutorial/(\w+)\.py", PAGE)

    assert sorted(["server", *PLAIN, *SECURE]) == sorted(shown)
    assert sorted(f"{name}.py" for name in shown) == sorted(path.name for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize("name", ["hello", *SECURE])
def test_the_page_shows_the_output(name: str) -> None:
    """Where the page shows a terminal, it shows what the program prints."""
    output = (FOLDER / f"{name}.py").read_text(encoding="utf-8").partition("\n# Output:\n")[2]
    shown = "".join(f"{line.removeprefix('# ')}\n" for line in output.splitlines())

    assert re.search(rf"^\$ python {name}\.py .*\n{re.escape(shown)}```$", PAGE, re.MULTILINE)
