"""What may import what, judged by reading the source.

Each rule is a function from a `SourceTree` to the list of its violations, one sentence each.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

FLOORS = {
    "errors": 0,
    "options": 1,
    "url": 1,
    "proxy_server": 1,
    "policy": 1,
    "_wire": 2,
    "events": 2,
    "instrument": 2,
    "settings": 2,
    "_dial": 3,
    "nursery": 4,
    "websocket": 5,
    "server": 6,
    "reconnect": 6,
    "sync": 6,
    "anyio": 6,
    "testing": 6,
    "instruments": 6,
    "__init__": 7,  # it only re-exports
    "cli": 8,
    "__main__": 9,
}
"""Floor by room: a room is what stands directly in the package, a module or a folder."""

WAITING = {"trio", "trio_websocket", "anyio", "asyncio"}
"""What `_wire` must not import."""

PUBLIC_UNDERSCORES = {"_asdict", "_fields", "_make", "_missing_", "_replace", "_value_"}
"""Names of namedtuple and enum that are public in spite of their first character."""


@dataclass(frozen=True)
class Import:
    """One imported thing: `name` of module `source`, or the module itself where `name` is None."""

    importer: str
    line: int
    source: str
    name: str | None
    bound: str
    late: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line}"

    @property
    def words(self) -> list[str]:
        """Every part of what is imported."""
        return [*self.source.split("."), *([self.name] if self.name else [])]


class SourceTree:
    """The parsed modules of a package, by dotted name, and of what stands beside it."""

    def __init__(self, root: Path, *beside: Path) -> None:
        self.package = root.name
        self.ours = {root.name, *(folder.name for folder in beside)}
        self.modules: dict[str, ast.Module] = {}
        self.folders: set[str] = set()
        for folder in (root, *beside):
            self._read(folder)

    def _read(self, root: Path) -> None:
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root.parent).with_suffix("").parts
            if parts[-1] == "__init__":
                parts = parts[:-1]
                self.folders.add(".".join(parts))
            self.modules[".".join(parts)] = ast.parse(path.read_text(encoding="utf-8"), str(path))

    def room(self, module: str) -> str:
        """The room in which a module of the package stands."""
        return module.split(".")[1] if "." in module else "__init__"

    def is_ours(self, module: str) -> bool:
        """Whether a module is none of a dependency's."""
        return module.partition(".")[0] in self.ours

    @cached_property
    def imports(self) -> list[Import]:
        """Every import statement of the tree, taken apart."""
        return [found for name, module in self.modules.items() for found in self._imports_of(name, module)]

    def _imports_of(self, importer: str, module: ast.Module) -> Iterator[Import]:
        late = {
            id(inner)
            for outer in ast.walk(module)
            if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)
            for inner in ast.walk(outer)
        }
        for node in ast.walk(module):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    bound = alias.asname or alias.name.split(".")[0]
                    yield Import(importer, node.lineno, alias.name, None, bound, id(node) in late)
            elif isinstance(node, ast.ImportFrom):
                source = self._absolute(importer, node)
                for alias in node.names:
                    bound = alias.asname or alias.name
                    inner = f"{source}.{alias.name}"
                    if inner in self.modules:
                        yield Import(importer, node.lineno, inner, None, bound, id(node) in late)
                    else:
                        yield Import(importer, node.lineno, source, alias.name, bound, id(node) in late)

    def _absolute(self, importer: str, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        up = node.level - (importer in self.folders)
        parts = importer.split(".")
        base = parts[: len(parts) - up]
        return ".".join([*base, node.module] if node.module else base)


def is_private(name: str) -> bool:
    """Whether a name asks to be left alone."""
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__")) and name != "_"


def unknown_rooms(tree: SourceTree) -> list[str]:
    """Every room has its floor."""
    rooms = {tree.room(module) for module in tree.modules}
    return [f"{room} has no floor: give it one in FLOORS" for room in sorted(rooms - FLOORS.keys())]


def upward_imports(tree: SourceTree) -> list[str]:
    """Imports point down, or stay on their floor."""
    return [
        f"{found}: {tree.room(found.importer)} imports {found.source}, a floor above it"
        for found in tree.imports
        if tree.is_ours(found.source)
        and FLOORS.get(tree.room(found.source), 0) > FLOORS.get(tree.room(found.importer), 0)
    ]


def borrowed_private_names(tree: SourceTree) -> list[str]:
    """Nobody imports a private name from another room; `_wire` and `_dial` are rooms, not secrets."""
    return [
        f"{found}: imports a private name, {'.'.join(found.words)}"
        for found in tree.imports
        if tree.is_ours(found.source)
        and tree.room(found.source) != tree.room(found.importer)
        and any(map(is_private, found.words[2:]))
    ]


def late_imports(tree: SourceTree) -> list[str]:
    """Every import stands at the top of its module."""
    called = {"__import__", "import_module", "importlib.import_module"}
    return [f"{found}: imports {found.source} inside a function" for found in tree.imports if found.late] + [
        f"{name}:{node.lineno}: imports by calling a function"
        for name, module in tree.modules.items()
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in called
    ]


def import_cycles(tree: SourceTree) -> list[str]:
    """No module needs itself."""
    graph: dict[str, set[str]] = {module: set() for module in tree.modules}
    for found in tree.imports:
        if found.source in tree.modules:
            graph[found.importer].add(found.source)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return ["import cycle: " + " <- ".join(error.args[1])]
    return []


def waiting_wire(tree: SourceTree) -> list[str]:
    """`_wire` neither imports a library that waits nor has a syntax that does."""
    wire = f"{tree.package}._wire"
    found = [
        f"{found}: _wire imports {found.source}"
        for found in tree.imports
        if tree.room(found.importer) == "_wire" and found.source.split(".")[0] in WAITING
    ]
    for name, module in tree.modules.items():
        if name == wire or name.startswith(f"{wire}."):
            for node in ast.walk(module):
                if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
                    found.append(f"{name}:{node.lineno}: _wire waits")
                elif isinstance(node, ast.comprehension) and node.is_async:
                    found.append(f"{name}:{node.target.lineno}: _wire waits")
    return found


def foreign_private_names(tree: SourceTree) -> list[str]:
    """No private name of a dependency is imported, or read from something that is not ours.

    What an attribute belongs to cannot be told from the source. But a private name that nothing in the tree
    defines must be somebody else's.
    """
    found = [
        f"{found}: imports a private name, {'.'.join(found.words)}"
        for found in tree.imports
        if not tree.is_ours(found.source) and any(map(is_private, found.words))
    ]
    ours = set(PUBLIC_UNDERSCORES).union(*map(_defined_names, tree.modules.values()))
    for name, module in tree.modules.items():
        foreign = {f.bound for f in tree.imports if f.importer == name and not tree.is_ours(f.source)}
        for node in ast.walk(module):
            if isinstance(node, ast.Attribute):
                attribute, owner = node.attr, ast.unparse(node.value)
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"getattr", "setattr", "hasattr"}:
                key = node.args[1] if len(node.args) > 1 else None
                if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
                    continue
                attribute, owner = key.value, ast.unparse(node.args[0])
            else:
                continue
            if is_private(attribute) and (attribute not in ours or owner.split(".")[0] in foreign):
                found.append(f"{name}:{node.lineno}: reads a private name, {owner}.{attribute}")
    return found


def _defined_names(module: ast.Module) -> set[str]:
    """Every name that a module gives to something of its own, `__slots__` included."""
    names = set()
    for node in ast.walk(module):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id="__slots__")], value=value):
                names |= {
                    n.value
                    for n in ast.walk(value)
                    if isinstance(n, ast.Constant) and isinstance(n.value, str)
                }
    return names


def shadowed_nurseries(tree: SourceTree) -> list[str]:
    """No import binds the word that every reader of Trio code uses for something else."""
    return [f"{found}: binds `nursery` to a module" for found in tree.imports if found.bound == "nursery"]


RULES: tuple[Callable[[SourceTree], list[str]], ...] = (
    unknown_rooms,
    upward_imports,
    borrowed_private_names,
    late_imports,
    import_cycles,
    waiting_wire,
    foreign_private_names,
    shadowed_nurseries,
)
