"""A verb of the command: what it is called, what it takes, what it does."""

import argparse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from trio_ohws.cli.parser import Parser

__all__ = ["UsageError", "Verb"]


@dataclass(frozen=True, slots=True)
class Verb:
    """One of the things that the command does.

    Attributes:
        name: what people type.
        summary: what it does, in one line without a full stop.
        operands: what follows its options in its synopsis.
        declare: adds its arguments to its parser.
        run: does it, and returns the exit status. It may raise `BusinessError` and `UsageError`.
    """

    name: str
    summary: str
    operands: str
    declare: Callable[[Parser], None]
    run: Callable[[argparse.Namespace], Awaitable[int]]


class UsageError(Exception):
    """The command was used wrongly, which shows only once it runs: exit status 2."""
