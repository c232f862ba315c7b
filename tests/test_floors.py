"""Imports point down the floors of the design, and each rule is seen to fail on a bad tree."""

from collections.abc import Callable
from pathlib import Path

import pytest

import trio_ohws
from tests.floors import (
    FLOORS,
    RULES,
    SourceTree,
    borrowed_private_names,
    foreign_private_names,
    import_cycles,
    late_imports,
    shadowed_nurseries,
    unknown_rooms,
    upward_imports,
    waiting_wire,
)

Rule = Callable[[SourceTree], list[str]]

GOOD = {
    "__init__.py": "from trio_ohws.websocket import WebSocket\n",
    "errors.py": "import trio\nclass Lost(trio.Cancelled):\n    def f(self): self._why = 1\n",
    "options.py": "from collections.abc import Mapping\nfrom .errors import Lost\n",
    "_wire/__init__.py": "",
    "_wire/masking.py": "try:\n    from websockets.speedups import apply_mask\nexcept ImportError: pass\n",
    "_wire/frames.py": "from .masking import apply_mask\nfrom ..errors import Lost\n",
    "events/__init__.py": "from .model import Opened\n",
    "events/model.py": "class Opened:\n    __slots__ = ('_told',)\n",
    "nursery/session.py": "from .._wire import frames\nfrom ..events import Opened\nclass _Private: pass\n",
    "nursery/outbox.py": "from .session import _Private\nfrom .._wire.frames import apply_mask\n",
    "websocket.py": "from trio_ohws.nursery.session import f\ndef look(x): return x._told, x._why\n",
}
"""A small tree that keeps every rule."""

BAD: list[tuple[Rule, dict[str, str], str]] = [
    (unknown_rooms, {"attic.py": ""}, "attic has no floor"),
    (
        upward_imports,
        {"errors.py": "from trio_ohws.websocket import W\n"},
        "trio_ohws.errors:1: errors imports",
    ),
    (upward_imports, {"options.py": "from .nursery import session\n"}, "imports trio_ohws.nursery.session"),
    (upward_imports, {"events/stream.py": "from .._dial.tls import x\n"}, "imports trio_ohws._dial.tls"),
    (upward_imports, {"websocket.py": "import trio_ohws\n"}, "websocket imports trio_ohws"),
    (borrowed_private_names, {"options.py": "from .errors import _x\n"}, "trio_ohws.errors._x"),
    (borrowed_private_names, {"events/s.py": "from .._wire._x import y\n"}, "trio_ohws._wire._x.y"),
    (borrowed_private_names, {"cli/demo.py": "from ..events.model import _x\n"}, "trio_ohws.events.model._x"),
    (late_imports, {"url.py": "def f():\n    import idna\n"}, "trio_ohws.url:2: imports idna inside"),
    (
        late_imports,
        {"url.py": "class C:\n    async def f(self):\n        from os import sep\n"},
        "imports os",
    ),
    (late_imports, {"url.py": "import importlib\nx = importlib.import_module('idna')\n"}, "by calling"),
    (import_cycles, {"url.py": "from . import policy\n", "policy.py": "import trio_ohws.url\n"}, "cycle"),
    (import_cycles, {"events/model.py": "from trio_ohws.events import Opened\n"}, "cycle"),
    (waiting_wire, {"_wire/frames.py": "import trio\n"}, "_wire imports trio"),
    (
        waiting_wire,
        {"_wire/frames.py": "from trio.lowlevel import checkpoint\n"},
        "_wire imports trio.lowlevel",
    ),
    (waiting_wire, {"_wire/frames.py": "async def f(): pass\n"}, "trio_ohws._wire.frames:1: _wire waits"),
    (waiting_wire, {"_wire/frames.py": "x = (y async for y in z)\n"}, "_wire waits"),
    (foreign_private_names, {"url.py": "from trio._core import run\n"}, "trio._core.run"),
    (foreign_private_names, {"url.py": "from trio_websocket import _impl\n"}, "trio_websocket._impl"),
    (foreign_private_names, {"url.py": "import anyio._backends\n"}, "anyio._backends"),
    (foreign_private_names, {"url.py": "import websockets as w\nx = w._why\n"}, "w._why"),
    (foreign_private_names, {"url.py": "def f(stream): return stream._sock\n"}, "stream._sock"),
    (foreign_private_names, {"url.py": "def f(stream): stream.x._sock = 1\n"}, "stream.x._sock"),
    (foreign_private_names, {"url.py": "def f(stream): return getattr(stream, '_sock')\n"}, "stream._sock"),
    (shadowed_nurseries, {"websocket.py": "from . import nursery\n"}, "binds `nursery`"),
    (shadowed_nurseries, {"websocket.py": "import trio_ohws.nursery as nursery\n"}, "binds `nursery`"),
]
"""What each rule forbids: files that replace those of the good tree, and words of the complaint."""


def plant(folder: Path, files: dict[str, str]) -> SourceTree:
    """Write a package and read it back."""
    root = folder / "trio_ohws"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return SourceTree(root)


@pytest.fixture(scope="module")
def package() -> SourceTree:
    """Our own source."""
    return SourceTree(Path(trio_ohws.__file__).parent)


@pytest.mark.parametrize("rule", RULES)
def test_the_package_keeps_the_rule(package: SourceTree, rule: Rule) -> None:
    """Our own source breaks no rule."""
    assert [] == rule(package)


def test_the_package_is_all_read(package: SourceTree) -> None:
    """The rules are asked about every room of the main job, so that none passes for want of files."""
    rooms = {package.room(module) for module in package.modules}

    assert {room for room, floor in FLOORS.items() if floor <= 5} <= rooms


def test_nothing_beside_the_package_reads_private_names_either() -> None:
    """Tests and benchmarks, too, use the dependencies' public names only."""
    tests = Path(__file__).parent
    tree = SourceTree(Path(trio_ohws.__file__).parent, tests, tests.parent / "benchmarks")

    assert [] == foreign_private_names(tree)


@pytest.mark.parametrize("rule", RULES)
def test_a_good_tree_has_no_violation(tmp_path: Path, rule: Rule) -> None:
    """A small tree built as the design says passes every rule."""
    assert [] == rule(plant(tmp_path, GOOD))


@pytest.mark.parametrize(("rule", "files", "complaint"), BAD)
def test_a_bad_tree_is_seen(tmp_path: Path, rule: Rule, files: dict[str, str], complaint: str) -> None:
    """One file built otherwise is one complaint, which names it."""
    violations = rule(plant(tmp_path, GOOD | files))

    assert 1 == len(violations)
    assert complaint in violations[0]


def test_every_rule_is_seen_to_fail() -> None:
    """No rule goes without a bad tree."""
    assert set(RULES) == {rule for rule, _files, _complaint in BAD}
