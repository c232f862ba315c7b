"""The programs in the README, in either language, and on the documentation's first page run as they stand."""

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import trio

import trio_ohws
from trio_ohws.testing import ClientClose, MemoryNetwork, MemoryPeer

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "README.zh.md", "docs/index.md"]
RUN = "trio.run(main)\n"


def programs(page: str) -> list[str]:
    """The Python blocks of a page."""
    return re.findall(
        r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


async def say_bye(peer: MemoryPeer) -> None:
    """Answer, and close."""
    request = await peer.read_request()
    await peer.accept(subprotocol=next(iter(request.subprotocols), None))
    await peer.expect("Hello, server!")
    await peer.send("Hello, client!")
    await peer.close()


@pytest.mark.parametrize("page", PAGES)
async def test_the_first_program(
    page: str, websocket_network: MemoryNetwork, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints what comes, and ends with the connection."""
    websocket_network.serve(say_bye)
    program = programs(page)[0]
    assert program.endswith(RUN)
    names: dict[str, Any] = {}
    exec(program.removesuffix(RUN), names)  # noqa: S102  # the page is ours
    await names["main"]()

    assert "Hello, client!\n" == capsys.readouterr().out
    assert "wss://example.org/feed" == str(websocket_network.peers[0].url)


@pytest.mark.parametrize("page", PAGES[:2])
async def test_the_program_of_the_porters(
    page: str, websocket_network: MemoryNetwork, capsys: pytest.CaptureFixture[str]
) -> None:
    """It connects, prints its events and closes with its own words."""

    async def listen(peer: MemoryPeer) -> None:
        await peer.accept()
        await peer.expect("Hello, server!")
        await trio.sleep_forever()

    websocket_network.serve(listen)
    names: dict[str, Any] = {"trio_ohws": trio_ohws}
    exec("async def main():\n" + textwrap.indent(programs(page)[1], "    "), names)  # noqa: S102  # as above
    await names["main"]()

    assert "101 Switching Protocols\n1000 done\n" == capsys.readouterr().out
    assert ClientClose(1000, "done") == websocket_network.peers[0].closed


def test_the_languages_have_the_same_programs() -> None:
    """They differ in their comments at most."""
    english, chinese = ([re.sub(r" *#.*", "", program) for program in programs(page)] for page in PAGES[:2])

    assert english == chinese
