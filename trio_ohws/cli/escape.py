"""What a stranger sent, so that it cannot talk to the terminal that shows it."""

import re
from typing import Final

__all__ = ["escaped"]

_SUSPECT: Final = re.compile(r"[^\x20-\x7e]")


def escaped(text: str) -> str:
    r"""Write what is no character to read as Python does: ``\x1b``, ``\n``, ``\u202e``.

    Line breaks too: a terminal cannot tell a second line from a second message.
    """
    return _SUSPECT.sub(_readable, text)


def _readable(found: re.Match[str]) -> str:
    character = found[0]
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
