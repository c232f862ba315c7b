"""What is promised, what is there, and what the documentation lists are the same."""

import inspect
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import trio_ohws
import trio_ohws.anyio
import trio_ohws.instruments
import trio_ohws.instruments.opentelemetry
import trio_ohws.reconnect
import trio_ohws.sync
import trio_ohws.testing

DOCS = Path(__file__).parent.parent / "docs"
PAGES = {
    trio_ohws: DOCS / "api.md",
    trio_ohws.anyio: DOCS / "anyio.md",
    trio_ohws.instruments: DOCS / "observing.md",
    trio_ohws.instruments.opentelemetry: DOCS / "observing.md",
    trio_ohws.reconnect: DOCS / "reconnecting.md",
    trio_ohws.sync: DOCS / "blocking.md",
    trio_ohws.testing: DOCS / "testing.md",
}
"""Each module from which users import, and the page that lists what is in it."""
NAMES = [(module, name) for module in PAGES for name in module.__all__]
CALLABLES = [
    (module, name)
    for module, name in NAMES
    if inspect.isclass(getattr(module, name)) or inspect.isfunction(getattr(module, name))
]
CLASSES = [(module, name) for module, name in CALLABLES if inspect.isclass(getattr(module, name))]


def members(cls: type) -> Iterator[tuple[str, object]]:
    """The public methods and properties that a class of ours defines itself."""
    for name, member in vars(cls).items():
        function = member.fget if isinstance(member, property) else inspect.unwrap(member)
        if not name.startswith("_") and inspect.isfunction(function):
            yield name, function


def mentioned(annotation: object) -> Iterator[type]:
    """Every class that a type annotation names."""
    if inspect.isclass(annotation):
        yield annotation
    for part in (typing.get_origin(annotation), *typing.get_args(annotation)):
        if isinstance(part, list):
            for inner in part:
                yield from mentioned(inner)
        elif part is not None and part is not annotation:
            yield from mentioned(part)


@pytest.mark.parametrize("module", PAGES)
def test_all_is_sorted_and_unique(module: ModuleType) -> None:
    """A reader finds a name where the alphabet puts it, classes before functions."""
    assert sorted(set(module.__all__), key=lambda name: (name[0].islower(), name)) == module.__all__


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_every_promised_name_exists(module: ModuleType, name: str) -> None:
    """What `__all__` lists can be imported."""
    assert hasattr(module, name)


@pytest.mark.parametrize(("module", "name"), CALLABLES)
def test_public_objects_say_that_they_are_public(module: ModuleType, name: str) -> None:
    """A traceback and a pickle name the place from which users import."""
    assert module.__name__ == getattr(module, name).__module__


@pytest.mark.parametrize(("module", "name"), CALLABLES)
def test_public_objects_are_documented(module: ModuleType, name: str) -> None:
    """Every public class and function has a docstring of its own."""
    assert inspect.cleandoc(getattr(module, name).__doc__ or "")


@pytest.mark.parametrize(("module", "name"), CLASSES)
def test_public_methods_are_documented(module: ModuleType, name: str) -> None:
    """Every public method and property has a docstring, its own or the one of what it overrides."""
    cls = getattr(module, name)

    assert [] == [member for member, _ in members(cls) if not inspect.getdoc(getattr(cls, member))]


@pytest.mark.parametrize("module", PAGES)
def test_nothing_public_is_missing(module: ModuleType) -> None:
    """Whatever `dir` shows that is neither private nor a module is promised."""
    shown = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }

    assert set() == shown - set(module.__all__)


@pytest.mark.parametrize(("module", "name"), CLASSES)
def test_annotations_of_public_classes_resolve(module: ModuleType, name: str) -> None:
    """Moving a class to its public place leaves its annotations readable there."""
    assert isinstance(typing.get_type_hints(getattr(module, name)), dict)


@pytest.mark.parametrize(("module", "name"), CALLABLES)
def test_what_signatures_mention_is_public(module: ModuleType, name: str) -> None:
    """A class of ours that a user is given, or has to give, can be imported from a public place."""
    public = getattr(module, name)
    functions = [function for _, function in members(public)] if inspect.isclass(public) else [public]
    hints = [hint for function in functions for hint in typing.get_type_hints(function).values()]
    ours = {cls for hint in hints for cls in mentioned(hint) if cls.__module__.split(".")[0] == "trio_ohws"}
    promised = {getattr(place, promise) for place, promise in CLASSES}

    assert set() == ours - promised


@pytest.mark.parametrize("module", PAGES)
def test_the_documentation_lists_what_is_promised(module: ModuleType) -> None:
    """The module's page has a directive for each public name, and none for anything else."""
    page = PAGES[module].read_text(encoding="utf-8")
    listed = re.findall(rf"^\.\. auto\w+:: {re.escape(module.__name__)}\.(\w+)$", page, re.MULTILINE)

    assert sorted(module.__all__) == sorted(listed)
