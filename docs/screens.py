"""Draw the command's screens for `cli.md`: the real program, at a terminal, against its own echo server.

From the root of the repository: ``make screens``. It takes the ports 8765 and 8766.
"""

import io
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from rich.console import Console
from rich.text import Text

from tests.cli.program import running_program
from tests.cli.screen import Screen, on_screen

FOLDER = Path(__file__).resolve().parent
WIDTH = 100

# As rich's own, without the fonts that it would fetch from elsewhere.
SVG = """\
<svg class="screen" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<style>
.{unique_id}-matrix {{ font: 20px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; \
line-height: {line_height}px; }}
.{unique_id}-title {{ font: bold 18px system-ui, sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""


def main() -> None:
    """Draw all."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        make_certificates()
        with running_program("echo-server", "--port", "8765", "--quiet") as server:
            assert server.line()
            connect("ws://127.0.0.1:8765")
            command("bench", "ws://127.0.0.1:8765", "-d", "2")
        secure = ["--host", "localhost", "--port", "8766", "--cert", "server.pem"]
        with running_program("echo-server", "--quiet", *secure) as server:
            assert server.line()
            command("doctor", "wss://localhost:8766", "--ca", "ca.pem", "--compress")
            command("doctor", "wss://localhost:8766", name="doctor-fails")


def make_certificates() -> None:
    """Write an authority, and a certificate for localhost with its key."""
    authority = trustme.CA(organization_name="Example", organization_unit_name="Example CA")
    server = authority.issue_cert(
        "localhost", common_name="localhost", not_after=datetime.now(UTC) + timedelta(days=60, hours=1)
    )
    authority.cert_pem.write_to_path("ca.pem")
    server.private_key_and_cert_chain_pem.write_to_path("server.pem")


def connect(url: str) -> None:
    """Draw a conversation."""
    with shown("connect", url, "--timing") as (screen, parts):
        parts.append(screen.expect("\x1b[1;32m>\x1b[0m "))
        for line in (
            "hello",
            '{"subscribe": ["prices", "news"]}',
            "\u4f60\u597d, \N{GREEK SMALL LETTER ALPHA}",
        ):
            screen.type(f"{line}\r")
            parts += [screen.expect(f"{line}\r\n"), screen.expect(f"{line}\r\n")]
        screen.type("\x04")
        parts.append(screen.end()[1])


def command(*arguments: str, name: str | None = None) -> None:
    """Draw what a command prints."""
    with shown(*arguments, name=name) as (screen, parts):
        parts.append(screen.end()[1])


@contextmanager
def shown(*arguments: str, name: str | None = None) -> Iterator[tuple[Screen, list[str]]]:
    """Run a command, and draw the parts of its output that were collected."""
    parts: list[str] = []
    with on_screen(*arguments) as screen:
        yield screen, parts
    draw(name or arguments[0], f"trio-ohws {' '.join(arguments)}", "".join(parts))


def draw(name: str, typed: str, output: str) -> None:
    """Write the SVG of a screen."""
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text("$ ", "bold green") + Text(typed, "bold"))
    for line in output.removesuffix("\r\n").split("\r\n"):
        # What was erased is not seen, and where the cursor went neither.
        last = line.rpartition("\x1b[K")[2]
        console.print(Text.from_ansi(re.sub(r"\r\x1b\[\d+C|\r", "", last)))
    picture = console.export_svg(title=typed.partition(" ws")[0], code_format=SVG, unique_id=name)
    (FOLDER / f"screen-{name}.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
