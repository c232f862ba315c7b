"""The fixture, as a project that uses it meets it, and the kit without pytest."""

from pathlib import Path

from tests.interpreter import run_python

PROJECT = {
    "conftest.py": 'pytest_plugins = ["trio_ohws.testing.fixtures"]\n',
    "pytest.ini": "[pytest]\ntrio_mode = true\nfilterwarnings = error\n",
    "test_bot.py": """
import trio_ohws

async def bot():
    async with trio_ohws.open_websocket("wss://example.test/") as ws:
        await ws.send("hello")

async def test_it_says_hello(websocket_network, autojump_clock, nursery):
    nursery.start_soon(bot)
    peer = await websocket_network.accept()
    await peer.expect("hello")

async def test_it_says_good_bye(websocket_network, autojump_clock, nursery):
    nursery.start_soon(bot)
    peer = await websocket_network.accept()
    await peer.expect("good bye")
""",
}

WITHOUT_PYTEST = """
import sys
sys.modules["pytest"] = None
import trio_ohws.testing
print(*[name for name in trio_ohws.testing.__all__ if not hasattr(trio_ohws.testing, name)])
try:
    import trio_ohws.testing.fixtures
except ModuleNotFoundError as error:
    print(error.name)
"""

PLAIN_IMPORT = "import sys, trio_ohws; print([name for name in sys.modules if 'testing' in name])"


def test_a_project_uses_the_fixture(tmp_path: Path) -> None:
    """One line in its conftest is enough; a test that fails says what the client did."""
    for name, text in PROJECT.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    ended = run_python("-m", "pytest", "-q", "-p", "no:cacheprovider", folder=tmp_path)

    assert "1 failed, 1 passed" in ended.stdout
    assert "AssertionError: 'hello' is not 'good bye': the client of example.test port 443" in ended.stdout


def test_only_the_fixture_needs_pytest(tmp_path: Path) -> None:
    """Without pytest everything else is there."""
    ended = run_python("-c", WITHOUT_PYTEST, folder=tmp_path)

    assert "" == ended.stderr
    assert ["", "pytest"] == ended.stdout.splitlines()


def test_programs_do_not_load_the_kit(tmp_path: Path) -> None:
    """Importing the package imports neither the kit nor what it is made of."""
    ended = run_python("-c", PLAIN_IMPORT, folder=tmp_path)

    assert "[]\n" == ended.stdout
