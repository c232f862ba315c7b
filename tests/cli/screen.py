"""The command as a program, at a terminal: what somebody would type, and see."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from tests.cli.program import COMMAND, ENVIRONMENT, PATIENCE_S

ROWS, COLUMNS = 24, 80


class Screen:
    """A terminal of 80 by 24, with the program on it."""

    def __init__(self, terminal: int, process: subprocess.Popen[bytes]) -> None:
        self._terminal = terminal
        self._process = process
        self._seen = b""

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._terminal, keys.encode())

    def expect(self, words: str) -> str:
        """Wait until the words are shown, and return what was shown up to there since the last time."""
        wanted = words.encode()
        deadline = time.monotonic() + PATIENCE_S
        while wanted not in self._seen:
            readable = select.select([self._terminal], [], [], max(0, deadline - time.monotonic()))[0]
            assert readable, f"{words!r} did not come after {self._seen!r}"
            more = self._read()
            assert more, f"{words!r} was not in {self._seen!r}, which is all"
            self._seen += more
        before, found, self._seen = self._seen.partition(wanted)
        return (before + found).decode()

    def pause_and_resume(self) -> None:
        """Stop the program, give the terminal back its own ways as a shell does, and continue the program."""
        self._process.send_signal(signal.SIGSTOP)  # Ctrl-Z needs a shell, to which it would give way
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)
        ways = termios.tcgetattr(self._terminal)
        ways[3] |= termios.ECHO | termios.ICANON
        termios.tcsetattr(self._terminal, termios.TCSANOW, ways)
        self._process.send_signal(signal.SIGCONT)

    def echoes(self) -> bool:
        """Whether the terminal shows by itself what is typed, as it does at a shell's prompt."""
        return bool(termios.tcgetattr(self._terminal)[3] & termios.ECHO)

    def end(self) -> tuple[int, str]:
        """Wait for the program's end; its status, and what was shown since the last time."""
        while more := self._read():
            self._seen += more
        return self._process.wait(PATIENCE_S), self._seen.decode()

    def _read(self) -> bytes:
        try:
            return os.read(self._terminal, 65536)
        except OSError:  # Linux says so when the program, which was the last one here, is gone
            return b""


@contextmanager
def on_screen(*arguments: str, environment: Mapping[str, str] | None = None) -> Generator[Screen]:
    """Start the command at a terminal of its own."""
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        settings = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "NO_COLOR": "", "COLUMNS": "", "LINES": ""}
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=ENVIRONMENT | settings | dict(environment or {}),
            start_new_session=True,
            # Else Ctrl-C would be nobody's.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  # no threads in the child
        )
        os.close(theirs)
        with process:
            try:
                yield Screen(ours, process)
            finally:
                process.kill()  # does nothing to one that has ended
    finally:
        os.close(ours)
