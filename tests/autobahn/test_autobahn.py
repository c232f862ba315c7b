"""RFC 6455 as Autobahn sees it."""

import pytest

from tests.autobahn.run import PYTHON, run
from tests.autobahn.table import PAGE, Table
from tests.peers import missing


@pytest.fixture(scope="session")
def autobahn() -> None:
    """Skip where the fuzzing server is not installed."""
    if not PYTHON.exists():
        missing("Autobahn", "run tests/autobahn/install.sh")


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("autobahn")
async def test_autobahn_has_no_complaint() -> None:
    """What the gate runs of groups 1 to 13: nothing failed, nothing non-strict, every close clean."""
    report = await run()

    published = Table.parse(PAGE.read_text(encoding="utf-8"))

    assert [] == report.complaints
    assert 3 == report.count()["INFORMATIONAL"]
    assert published.updated(report) == published, "docs/autobahn.md is out of date"
