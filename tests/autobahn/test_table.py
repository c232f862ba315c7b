"""The published table of Autobahn's verdicts: what it counts, and what it says."""

from collections import Counter
from pathlib import Path

import pytest

from tests.autobahn.report import Report
from tests.autobahn.table import GROUPS, PAGE, Table, publish

PUBLISHED = PAGE.read_text(encoding="utf-8")


def report(group: str, size: int, behavior: str = "OK", end: str = "OK") -> Report:
    """A report of so many cases of a group, with equal verdicts."""
    verdicts = {"behavior": behavior, "behaviorClose": end}
    return Report({f"{group}.1.{case}": verdicts for case in range(1, size + 1)})


def test_what_is_published() -> None:
    """All groups were run whole: 514 of 517 cases are OK, and on three the RFC has no opinion."""
    table = Table.parse(PUBLISHED)

    assert {group: cases for group, (_, cases) in GROUPS.items()} == {
        group: count.total() for group, count in table.rows.items()
    }
    assert Counter({"OK": 514, "informational": 3}) == table.total


def test_the_page_is_as_it_is_written() -> None:
    """Whoever writes the table by hand would write the same."""
    assert PUBLISHED == Table.parse(PUBLISHED).written_into(PUBLISHED)


@pytest.mark.parametrize(
    ("behavior", "end", "verdict"),
    [
        ("OK", "OK", "OK"),
        ("INFORMATIONAL", "OK", "informational"),
        ("OK", "INFORMATIONAL", "informational"),
        ("NON-STRICT", "INFORMATIONAL", "non-strict"),
        ("UNIMPLEMENTED", "OK", "unimplemented"),
        ("FAILED", "OK", "failed"),
        ("OK", "WRONG CODE", "failed"),
        ("NON-STRICT", "UNCLEAN", "failed"),
    ],
)
def test_the_worse_verdict_counts(behavior: str, end: str, verdict: str) -> None:
    """Of the verdicts on frames and on the end the worse is the case's; what nobody foresaw is a failure."""
    assert verdict == report("2", 1, behavior, end).verdict("2.1.1")


def test_a_whole_group_gets_its_row() -> None:
    """A report replaces the row of a group that it has whole, and no other; the sum follows."""
    before = Table.parse(PUBLISHED)
    after = before.updated(report("2", 11, "FAILED")).updated(report("3", 6, "FAILED"))

    assert {**before.rows, "2": Counter(failed=11)} == after.rows
    assert after == Table.parse(after.written_into(PUBLISHED))
    assert before.total - Counter(OK=11) + Counter(failed=11) == after.total


def test_publishing_changes_the_table_alone(tmp_path: Path) -> None:
    """The words before and after the table stay, and writing the first verdicts again undoes it."""
    page = tmp_path / "page.md"
    page.write_text(PUBLISHED, encoding="utf-8")
    publish(report("10", 1, "FAILED"), page=page)
    changed = page.read_text(encoding="utf-8")
    publish(report("10", 1), page=page)

    assert changed != PUBLISHED
    assert page.read_text(encoding="utf-8") == PUBLISHED


def test_a_page_without_a_table() -> None:
    """Nothing is written where no table is expected."""
    with pytest.raises(ValueError, match="no table"):
        Table({}).written_into("# Page\n")
