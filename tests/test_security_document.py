"""SECURITY.md: the tests that it names exist, and its limits are those of the code."""

import ast
import re
from pathlib import Path

import pytest

from trio_ohws._dial.proxy import MAX_ANSWER_SIZE
from trio_ohws._wire.decoder import MAX_FRAGMENTS
from trio_ohws._wire.http1 import HEAD_LIMIT
from trio_ohws._wire.scratch import Scratch
from trio_ohws.options import MAX_HEADERS_SIZE
from trio_ohws.settings import Settings
from trio_ohws.url import MAX_URL_LENGTH

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")

DEFAULTS = Settings()
assert DEFAULTS.receive_buffer is not None
KIB, MIB = 1024, 1 << 20
LIMITS = [
    ("a URL", f"{MAX_URL_LENGTH} characters"),
    ("headers of the request, subprotocols included", f"{MAX_HEADERS_SIZE // KIB} KiB"),
    ("the server's head, interim answers included", f"{HEAD_LIMIT // KIB} KiB"),
    ("a proxy's answer", f"{MAX_ANSWER_SIZE // KIB} KiB"),
    ("a message, inflated", f"{DEFAULTS.max_message_size // MIB} MiB"),
    ("fragments of a message", f"{MAX_FRAGMENTS}"),
    (
        "messages that wait to be received",
        f"{DEFAULTS.receive_buffer[0]}, or {DEFAULTS.receive_buffer[1] // MIB} MiB and one message",
    ),
    ("bytes that wait to be sent, before a message is admitted", f"{DEFAULTS.send_buffer // KIB} KiB"),
    ("one read, into memory that all connections share", f"{len(Scratch().wide) // KIB} KiB"),
    ("compression", "off" if DEFAULTS.compression is None else "on"),
    ("connecting, all in all", f"{DEFAULTS.connect_timeout} s"),
    ("closing: our Close frame, then the server's", f"{DEFAULTS.close_timeout} s each"),
    ("the goodbye of a cancelled socket", f"{DEFAULTS.goodbye_timeout} s"),
    ("silence before a ping, and after it", f"{DEFAULTS.ping_interval} s each"),
    ("hosts and addresses that may be reached", "all" if DEFAULTS.policy is None else "some"),
]


def named_tests() -> list[tuple[str, str]]:
    """Return file and function of each test that the page names; a file may stand before several."""
    found = []
    path = ""
    for named, function in re.findall(r"`(tests/[\w/]+\.py)?::(\w+)`", TEXT):
        path = named or path
        found.append((path, function))
    return found


def test_the_page_names_tests() -> None:
    """There is proof for every promise: at least two tests for each of twelve."""
    assert len(named_tests()) >= 24


@pytest.mark.parametrize(("path", "function"), named_tests())
def test_a_named_test_exists(path: str, function: str) -> None:
    """A test that proves a promise is there, under that name."""
    module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)

    assert function in {node.name for node in module.body if isinstance(node, functions)}


@pytest.mark.parametrize(("what", "limit"), LIMITS)
def test_a_limit_is_what_the_page_says(what: str, limit: str) -> None:
    """Each figure of the table is the code's."""
    assert f"\n| {what} | {limit} |" in TEXT


def test_every_figure_is_compared() -> None:
    """No row of the table of limits is without its comparison, but TLS, which has tests of its own."""
    table = TEXT.partition("## Defaults and limits")[2].partition("## What")[0]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")]

    assert ["what", "---", "TLS", *(what for what, _ in LIMITS)] == rows
