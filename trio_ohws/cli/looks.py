"""Colours, where there is somebody to see them, the extra `cli`, and no ``NO_COLOR``."""

import os
import sys
from typing import Any, Final, TextIO

__all__ = ["Looks", "is_terminal"]


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at a standard stream, which may be missing or closed."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


_Console: Any = None
_Text: Any = None
# A pipe has no use for it, and need not wait for the import.
if is_terminal(sys.stdout) or is_terminal(sys.stderr):
    try:
        from rich.console import Console as _Console
        from rich.text import Text as _Text
    except ImportError:
        pass  # plain, then

# https://no-color.org
_WANTED: Final = not os.environ.get("NO_COLOR")


class Looks:
    """How text is shown on one stream.

    Args:
        stream: standard output or error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._console: Any = None
        if _Console is not None and _WANTED and is_terminal(stream):
            self._console = _Console(file=stream, highlight=False, markup=False, emoji=False)

    def styled(self, text: str, style: str) -> str:
        """Return the text with what makes a terminal show it in a style of rich's, or as it is."""
        if self._console is None:
            return text
        with self._console.capture() as capture:
            self._console.print(_Text(text, style=style), end="", soft_wrap=True)
        return str(capture.get())

    @property
    def colourful(self) -> bool:
        """Whether `styled` does anything."""
        return self._console is not None
