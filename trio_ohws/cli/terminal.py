"""A conversation at a terminal: the line that is being typed stays below what is told."""

import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

import trio

from trio_ohws.cli.line_editor import LineEditor
from trio_ohws.cli.looks import Looks, is_terminal
from trio_ohws.cli.message_form import for_people
from trio_ohws.errors import BusinessError
from trio_ohws.events.model import Message
from trio_ohws.events.stream import EventStream
from trio_ohws.nursery.bare import bare_errors
from trio_ohws.websocket import WebSocket

if sys.platform != "win32":
    import termios
    import tty

__all__ = ["Terminal", "can_edit"]

_PROMPT: Final = "> "
_ERASE: Final = "\r\x1b[K"  # the line that the cursor is in (ECMA-48, EL)
_CHUNK: Final = 4096
_END: Final = b"\x15\x0b\x04"  # on an empty line, whatever stood there


def can_edit() -> bool:
    """Whether there is a terminal at both ends, of a kind that we can talk to."""
    if sys.platform == "win32" or os.environ.get("TERM") == "dumb":
        return False
    return is_terminal(sys.stdin) and is_terminal(sys.stdout)


class Terminal:
    """One conversation.

    Args:
        stamp: makes what goes before a message: the time, or nothing.
    """

    def __init__(self, stamp: Callable[[], str]) -> None:
        self._stamp = stamp
        self._editor = LineEditor()
        self._looks = Looks(sys.stdout)
        self._typing = False  # whether there is a line

    async def run(self, ws: WebSocket, receive: Callable[[], Awaitable[object]]) -> None:
        """Talk until either side closes.

        Args:
            ws: connected.
            receive: reads all messages.
        """
        with self._keys_as_they_come(), bare_errors():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read_keys, ws)
                nursery.start_soon(self._come_back)
                await receive()
                nursery.cancel_scope.cancel()

    async def show_messages(self, messages: EventStream[Message]) -> None:
        """Show messages until there are no more."""
        sign = self._looks.styled("<", "bold cyan")
        async for message in messages:
            self._above(f"{self._stamp()}{sign} {for_people(message)}", sys.stdout)

    def tell(self, text: str) -> None:
        """Tell something about the conversation."""
        self._above(text, sys.stderr)

    async def _read_keys(self, ws: WebSocket) -> None:
        fd = sys.stdin.fileno()
        try:
            while not self._editor.ended:
                await trio.lowlevel.wait_readable(fd)
                for line in self._editor.feed(_typed(fd)):
                    self._above(f"{self._stamp()}{self._prompt()}{line}", sys.stdout)
                    if line:
                        await ws.send(line)
                self._draw()
            self._stop_typing()
            await ws.close()
        except BusinessError:
            return  # it has ended: whoever reads the messages knows how

    async def _come_back(self) -> None:
        """After Ctrl-Z and the shell's ``fg`` the terminal is as the shell had it."""
        with trio.open_signal_receiver(signal.SIGCONT) as signals:
            async for _ in signals:
                tty.setcbreak(sys.stdin.fileno(), termios.TCSADRAIN)
                self._draw()

    @contextmanager
    def _keys_as_they_come(self) -> Iterator[None]:
        """Switch the terminal's own editing off; Ctrl-C and Ctrl-Z remain signals."""
        fd = sys.stdin.fileno()
        before = termios.tcgetattr(fd)
        tty.setcbreak(fd, termios.TCSADRAIN)  # what was typed before is kept
        self._typing = True
        self._draw()
        try:
            yield
        finally:
            self._stop_typing()
            termios.tcsetattr(fd, termios.TCSADRAIN, before)

    def _above(self, text: str, stream: TextIO) -> None:
        if self._typing:
            print(_ERASE, end="", flush=True)
        print(text, file=stream, flush=True)
        self._draw()

    def _draw(self) -> None:
        if not self._typing:
            return
        room = shutil.get_terminal_size().columns - len(_PROMPT)
        text, column = self._editor.view(room)
        # Back to the first column, then right: there is no other way to say where the cursor is.
        right = len(_PROMPT) + column
        print(f"{_ERASE}{self._prompt()}{text}\r\x1b[{right}C", end="", flush=True)

    def _stop_typing(self) -> None:
        if self._typing:
            print(_ERASE, end="", flush=True)
        self._typing = False

    def _prompt(self) -> str:
        return self._looks.styled(">", "bold green") + " "


def _typed(fd: int) -> bytes:
    """Read what was typed; Ctrl-D if the terminal is gone."""
    try:
        return os.read(fd, _CHUNK) or _END
    except OSError:
        return _END
