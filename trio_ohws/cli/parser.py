"""The command's arguments: a parser that fits on one screen, and the kinds of values."""

import argparse
import math
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

__all__ = ["Parser", "count", "kind", "patience", "port", "seconds", "size"]

_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_WIDTH: Final = 79
_Value = TypeVar("_Value")


class _OnePage(argparse.HelpFormatter):
    """One line for each option, as far as that can be."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=29, width=_WIDTH)


class Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` that remembers its arguments, and repeats none that it does not know.

    What is typed at a wrong place may be a secret: half of a header, for instance.

    Attributes:
        arguments: what `add_argument` returned, in order.
    """

    def __init__(self, **settings: Any) -> None:
        self.arguments: list[argparse.Action] = []
        super().__init__(add_help=False, allow_abbrev=False, formatter_class=_OnePage, **settings)
        self.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        """Add an argument, as the original does."""
        action = super().add_argument(*names, **settings)
        self.arguments.append(action)
        return action

    def parse_args(  # type: ignore[override]  # one of its overloads
        self, args: Sequence[str] | None = None, namespace: None = None
    ) -> argparse.Namespace:
        """Parse the arguments, or exit with status 2."""
        found, unknown = self.parse_known_args(args, namespace)
        options = [word.partition("=")[0] for word in unknown if word.startswith("--")]
        if unknown:
            self.error(
                f"unknown option: {options[0]}" if options else "too many arguments; are quotes missing?"
            )
        return found


def kind(read: Callable[[str], _Value], words: str) -> Callable[[str], _Value]:
    """Make the `type` of an argument whose messages say what it must be, and do not repeat what it is.

    Args:
        read: makes the value; raises `ValueError` if it cannot.
        words: what the argument must be.
    """

    def convert(text: str) -> _Value:
        try:
            return read(text)
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"must be {words}")

    return convert


def _at_least(least: float, value: float) -> float:
    if math.isnan(value) or value < least:
        raise ValueError
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError
    return value


def _size(text: str) -> int:
    digits = text.rstrip("kKmMgG")
    return int(_at_least(1, int(digits) * _UNITS[text[len(digits) :].lower()]))


def _count(text: str) -> int:
    return int(_at_least(1, int(text)))


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise ValueError
    return value


def _patience(text: str) -> float:
    return _at_least(0, float(text))


seconds: Final = kind(_seconds, "a number of seconds above 0")
patience: Final = kind(_patience, "a number of seconds, 0 or more, or 'inf'")
count: Final = kind(_count, "a whole number above 0")
port: Final = kind(_port, "a port, or 0 for any that is free")
size: Final = kind(_size, "a number of bytes, such as 512, 64k or 16M")
