"""Editing one line with a history: keys in, lines out. Pure; what to draw is asked for.

Python's readline would need a thread that nothing can take back from the terminal once it waits there, and
could not tell where the cursor is when a message has to be shown above the line.
"""

import codecs
import re
import unicodedata
from typing import Final

__all__ = ["LineEditor", "columns"]

_KEYS: Final = {
    "\x01": "home",
    "\x02": "left",
    "\x04": "delete_or_end",
    "\x05": "end",
    "\x06": "right",
    "\x08": "backspace",
    "\x7f": "backspace",
    "\n": "enter",
    "\r": "enter",
    "\x0b": "cut_rest",
    "\x0e": "next",
    "\x10": "previous",
    "\x15": "cut_before",
    "\x17": "cut_word",
    "\x1b[A": "previous",
    "\x1b[B": "next",
    "\x1b[C": "right",
    "\x1b[D": "left",
    "\x1b[H": "home",
    "\x1b[F": "end",
    "\x1b[1~": "home",
    "\x1b[7~": "home",
    "\x1b[4~": "end",
    "\x1b[8~": "end",
    "\x1b[3~": "delete",
    "\x1bOA": "previous",
    "\x1bOB": "next",
    "\x1bOC": "right",
    "\x1bOD": "left",
    "\x1bOH": "home",
    "\x1bOF": "end",
}
# A whole key: an escape sequence (ECMA-48 section 5.4), or one character.
_KEY: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO.|\x1b[^\[O]|[^\x1b]", re.DOTALL)
_WORD_BEFORE: Final = re.compile(r"\S*\s*$")
_MAX_HISTORY: Final = 1000
_MAX_UNREAD: Final = 32  # characters of an escape sequence that has no end


class LineEditor:
    """A line that is being typed.

    Attributes:
        text: the line so far.
        cursor: how many characters of it are before the cursor.
        ended: whether Ctrl-D came on an empty line.
    """

    def __init__(self) -> None:
        self.text: str = ""
        self.cursor: int = 0
        self.ended: bool = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._unread = ""
        self._history: list[str] = []
        self._place = 0  # in the history; its length is the line that is being typed
        self._draft = ""

    def feed(self, typed: bytes) -> list[str]:
        """Take what the terminal sent; return the lines that it has completed."""
        self._unread += self._decoder.decode(typed)
        lines: list[str] = []
        while not self.ended and (key := _KEY.match(self._unread)):
            self._unread = self._unread[key.end() :]
            self._press(key[0], lines)
        if len(self._unread) > _MAX_UNREAD:
            self._unread = ""
        return lines

    def view(self, width: int) -> tuple[str, int]:
        """Cut out what of the line fits on the screen.

        Args:
            width: columns that there are.

        Returns:
            The text, around the cursor, and the column of the cursor in it.
        """
        start = self.cursor
        room = width - 1  # the cursor may stand behind the text
        while start and columns(self.text[start - 1 : self.cursor]) <= room:
            start -= 1
        end = self.cursor
        while end < len(self.text) and columns(self.text[start : end + 1]) <= room:
            end += 1
        return self.text[start:end], columns(self.text[start : self.cursor])

    def _press(self, key: str, lines: list[str]) -> None:
        name = _KEYS.get(key)
        if name == "enter":
            lines.append(self._enter())
        elif name == "delete_or_end":
            self.ended = not self.text
            self._replace(self.cursor, self.cursor + 1)
        elif name in {"previous", "next"}:
            self._recall(self._place + (1 if name == "next" else -1))
        elif name is not None:
            self._edit(name)
        elif key.isprintable():
            self._replace(self.cursor, self.cursor, key)
        elif key == "\t":
            self._replace(self.cursor, self.cursor, " ")

    def _edit(self, name: str) -> None:
        match name:
            case "home":
                self.cursor = 0
            case "end":
                self.cursor = len(self.text)
            case "left":
                self.cursor = max(0, self.cursor - 1)
            case "right":
                self.cursor = min(len(self.text), self.cursor + 1)
            case "backspace":
                self._replace(max(0, self.cursor - 1), self.cursor)
            case "delete":
                self._replace(self.cursor, self.cursor + 1)
            case "cut_rest":
                self._replace(self.cursor, len(self.text))
            case "cut_before":
                self._replace(0, self.cursor)
            case "cut_word":
                word = _WORD_BEFORE.search(self.text[: self.cursor])
                self._replace(word.start() if word else 0, self.cursor)

    def _replace(self, start: int, end: int, text: str = "") -> None:
        self.text = self.text[:start] + text + self.text[end:]
        self.cursor = start + len(text)

    def _enter(self) -> str:
        line = self.text
        if line and line not in self._history[-1:]:
            self._history = [*self._history, line][-_MAX_HISTORY:]
        self._place = len(self._history)
        self.text, self.cursor = "", 0
        return line

    def _recall(self, place: int) -> None:
        if not 0 <= place <= len(self._history):
            return
        if self._place == len(self._history):
            self._draft = self.text
        self._place = place
        self.text = self._draft if place == len(self._history) else self._history[place]
        self.cursor = len(self.text)


def columns(text: str) -> int:
    """Count the columns that a text takes on a terminal."""
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
