"""What is promised, what is there, and what the documentation lists are the same."""

import inspect
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import trio_ohws

API_PAGE = Path(__file__).parent.parent / "docs" / "api.md"
CALLABLES = [
    name
    for name in trio_ohws.__all__
    if inspect.isclass(getattr(trio_ohws, name)) or inspect.isfunction(getattr(trio_ohws, name))
]
CLASSES = [name for name in trio_ohws.__all__ if inspect.isclass(getattr(trio_ohws, name))]


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


def test_all_is_sorted_and_unique() -> None:
    """A reader finds a name where the alphabet puts it."""
    assert sorted(set(trio_ohws.__all__), key=str.casefold) == sorted(trio_ohws.__all__, key=str.casefold)
    assert len(set(trio_ohws.__all__)) == len(trio_ohws.__all__)


@pytest.mark.parametrize("name", trio_ohws.__all__)
def test_every_promised_name_exists(name: str) -> None:
    """What `__all__` lists can be imported."""
    assert hasattr(trio_ohws, name)


@pytest.mark.parametrize("name", CALLABLES)
def test_public_objects_say_that_they_are_public(name: str) -> None:
    """A traceback and a pickle name the place from which users import."""
    assert getattr(trio_ohws, name).__module__ == "trio_ohws"


@pytest.mark.parametrize("name", CALLABLES)
def test_public_objects_are_documented(name: str) -> None:
    """Every public class and function has a docstring of its own."""
    assert inspect.cleandoc(getattr(trio_ohws, name).__doc__ or "")


@pytest.mark.parametrize("name", CLASSES)
def test_public_methods_are_documented(name: str) -> None:
    """Every public method and property has a docstring, its own or the one of what it overrides."""
    cls = getattr(trio_ohws, name)

    assert [] == [member for member, _ in members(cls) if not inspect.getdoc(getattr(cls, member))]


def test_nothing_public_is_missing() -> None:
    """Whatever `dir` shows that is neither private nor a module is promised."""
    shown = {
        name
        for name, value in vars(trio_ohws).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }

    assert set() == shown - set(trio_ohws.__all__)


@pytest.mark.parametrize("name", CLASSES)
def test_annotations_of_public_classes_resolve(name: str) -> None:
    """Moving a class to its public place leaves its annotations readable there."""
    assert isinstance(typing.get_type_hints(getattr(trio_ohws, name)), dict)


@pytest.mark.parametrize("name", CALLABLES)
def test_what_signatures_mention_is_public(name: str) -> None:
    """A class of ours that a user is given, or has to give, can be imported from the same place."""
    public = getattr(trio_ohws, name)
    functions = [function for _, function in members(public)] if inspect.isclass(public) else [public]
    hints = [hint for function in functions for hint in typing.get_type_hints(function).values()]
    ours = {cls for hint in hints for cls in mentioned(hint) if cls.__module__.split(".")[0] == "trio_ohws"}
    promised = {getattr(trio_ohws, promise) for promise in CLASSES}

    assert set() == ours - promised


def test_the_documentation_lists_what_is_promised() -> None:
    """The API page has a directive for each public name, and none for anything else."""
    listed = re.findall(
        r"^\.\. auto\w+:: (?:trio_ohws\.)?(\w+)$", API_PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )

    assert sorted(trio_ohws.__all__) == sorted(listed)
