"""Who raises what: read from the sections "Raises" of the docstrings."""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import trio_ohws
from trio_ohws.errors import CONNECT_FAILED, TEXTS

__all__ = ["Raised", "codes", "kinds", "others", "raised"]

OWNERS = (trio_ohws.WebSocket, trio_ohws.EventStream, trio_ohws.MessageBatches)
"""Classes whose methods are gone through; of the others only what they say of their constructor."""


class Raised(NamedTuple):
    """One line of a section: who raises it, what, and when; a code where the line is about one."""

    who: str
    what: str
    code: int | None
    when: str


def raised() -> list[Raised]:
    """Return every line of every section, those that refer to another section replaced by what is there."""
    sections = dict(_sections())
    return [line for who in sections for line in _lines(who, sections)]


def codes() -> str:
    """Return a table of codes: the text, when it is raised and by whom."""
    rows = ["| code | text | when | raised by |", "| --- | --- | --- | --- |"]
    for code, text in TEXTS.items():
        start = f"| {code} | {text} |"
        lines = [line for line in raised() if line.code == code]
        if code == CONNECT_FAILED:  # nobody raises it
            lines = [Raised("the event `error`", "", code, "see [Events](events.md#what-happens-when)")]
        for line in _gathered(lines):
            rows.append(f"{start} {line.when} | {line.who} |")
            start = "| | |"
    return "\n".join(rows)


def kinds() -> str:
    """Return a table of ``BusinessError`` and what is derived from it."""
    rows = ["| exception | is also | has | says |", "| --- | --- | --- | --- |"]
    for name in trio_ohws.__all__:
        kind = getattr(trio_ohws, name)
        if inspect.isclass(kind) and issubclass(kind, trio_ohws.BusinessError):
            trios = [base.__name__ for base in kind.__mro__ if base.__module__.partition(".")[0] == "trio"]
            also = f"`trio.{trios[0]}`" if trios else ""
            attributes = dict.fromkeys(
                one for base in reversed(kind.__mro__) for one in inspect.get_annotations(base)
            )
            has = ", ".join(f"`{one}`" for one in attributes)
            says = inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]
            rows.append(f"| {{py:exc}}`~trio_ohws.{name}` | {also} | {has} | {says} |")
    return "\n".join(rows)


def others() -> str:
    """Return a table of what is raised without a code in its description."""
    lines = sorted((line for line in raised() if line.code is None), key=lambda line: line.what)
    rows = ["| exception | when | raised by |", "| --- | --- | --- |"]
    rows += [f"| `{line.what}` | {line.when} | {line.who} |" for line in _gathered(lines)]
    return "\n".join(rows)


def _gathered(lines: list[Raised]) -> list[Raised]:
    """Let those who raise the same for the same reason share a line."""
    who: dict[tuple[str, str], list[Raised]] = {}
    for line in lines:
        who.setdefault((line.what, line.when), []).append(line)
    return [
        same[0]._replace(who=", ".join(dict.fromkeys(line.who for line in same))) for same in who.values()
    ]


def _sections() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for name in trio_ohws.__all__:
        public = getattr(trio_ohws, name)
        if inspect.isclass(public) or inspect.isfunction(public):
            yield name, _section(public)
    for owner in OWNERS:
        for name, method in vars(owner).items():
            if inspect.isfunction(method) and not name.startswith("_"):
                yield f"{owner.__name__}.{name}", _section(method)


def _section(documented: Callable[..., object]) -> list[tuple[str, str]]:
    """Return the exceptions that a docstring names, each with what it says of them."""
    text = inspect.cleandoc(documented.__doc__ or "")
    found = re.search(r"^Raises:\n((?:[ ]{4}.*\n?|\n(?=[ ]{4}))+)", text, re.MULTILINE)
    entries: list[tuple[str, str]] = []
    for line in found.group(1).splitlines() if found else ():
        if re.match(r" {4}\S", line):
            what, _, when = line.strip().partition(": ")
            entries.append((what, when))
        else:
            what, when = entries.pop()
            entries.append((what, f"{when} {line.strip()}"))
    return entries


def _lines(who: str, sections: dict[str, list[tuple[str, str]]]) -> Iterator[Raised]:
    shown = f"`{who.removeprefix('WebSocket.')}`"
    for what, when in sections[who]:
        reference = re.fullmatch(r"as `([\w.]+)`\.", when)
        if reference:
            name = reference.group(1)
            there = name if name in sections else f"WebSocket.{name}"
            yield from (line._replace(who=shown) for line in _lines(there, sections) if line.what == what)
        elif what != "BusinessError":
            yield Raised(shown, what, None, _markdown(when))
        else:
            for part in re.split(r"; (?=\d+, )|: (?=\d+, )", re.sub(r"^(\d+): ", r"\1, ", when)):
                code, comma, condition = part.partition(", ")
                if not comma or int(code) not in TEXTS:
                    raise ValueError(f"{who} raises BusinessError without a code that is listed: {part!r}")
                yield Raised(shown, what, int(code), _markdown(condition))


def _markdown(text: str) -> str:
    return text.removesuffix(".").replace("``", "`").replace("|", r"\|")
