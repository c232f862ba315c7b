"""The published table: what Autobahn says of us, group by group.

`python -m tests.autobahn.table FOLDER ...` writes it from the reports in these folders. A group that is in
none of them, or not whole, keeps the row that it has.
"""

import argparse
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tests.autobahn.report import VERDICTS, Report
from tests.autobahn.testee import AGENT

PAGE: Final = Path(__file__).parents[2] / "docs" / "autobahn.md"

# What Autobahn 0.8 calls its groups, and how many cases each has.
GROUPS: Final[Mapping[str, tuple[str, int]]] = {
    "1": ("Framing", 16),
    "2": ("Pings and pongs", 11),
    "3": ("Reserved bits", 7),
    "4": ("Opcodes", 10),
    "5": ("Fragmentation", 20),
    "6": ("UTF-8", 145),
    "7": ("Closing", 37),
    "9": ("Limits and performance", 54),
    "10": ("Fragments sent at once", 1),
    "12": ("Compression of different payloads", 90),
    "13": ("Compression by different parameters", 126),
}

_HEAD: Final = "| group | about | cases | " + " | ".join(VERDICTS) + " |"
_RULE: Final = "| --- " * (3 + len(VERDICTS)) + "|"


@dataclass(frozen=True)
class Table:
    """How often each verdict was given, by group."""

    rows: Mapping[str, Counter[str]]

    @classmethod
    def parse(cls, page: str) -> Self:
        """Read the table out of the page."""
        rows = {}
        for line in page.partition(_HEAD)[2].splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if cells[0] in GROUPS and len(cells) == 3 + len(VERDICTS):
                rows[cells[0]] = Counter(
                    {verdict: int(cell) for verdict, cell in zip(VERDICTS, cells[3:], strict=True)}
                )
        return cls(rows)

    @property
    def total(self) -> Counter[str]:
        """The sum of the groups."""
        return sum(self.rows.values(), Counter())

    def updated(self, report: Report) -> Self:
        """Return this table with the rows of those groups that the report has whole."""
        counts: dict[str, Counter[str]] = {}
        for case in report.results:
            counts.setdefault(case.partition(".")[0], Counter())[report.verdict(case)] += 1
        whole = {group: count for group, count in counts.items() if count.total() == GROUPS[group][1]}
        return type(self)({**self.rows, **whole})

    def written_into(self, page: str) -> str:
        """Return the page with this table in the place of its own."""
        before, head, after = page.partition(_HEAD)
        if not head:
            raise ValueError("the page has no table")
        rest = after.lstrip("\n").splitlines(keepends=True)
        while rest and rest[0].startswith("|"):
            del rest[0]
        return before + "\n".join([_HEAD, _RULE, *map(self._row, GROUPS), self._sum()]) + "\n" + "".join(rest)

    def _row(self, group: str) -> str:
        about, cases = GROUPS[group]
        counts = self.rows.get(group, Counter())
        return f"| {group} | {about} | {cases} | " + " | ".join(str(counts[v]) for v in VERDICTS) + " |"

    def _sum(self) -> str:
        total, cases = self.total, sum(cases for _, cases in GROUPS.values())
        return f"| all | | {cases} | " + " | ".join(str(total[verdict]) for verdict in VERDICTS) + " |"


def publish(*reports: Report, page: Path = PAGE) -> None:
    """Write what the reports say into the page's table."""
    text = page.read_text(encoding="utf-8")
    table = Table.parse(text)
    for report in reports:
        table = table.updated(report)
    page.write_text(table.written_into(text), encoding="utf-8")


def main() -> None:
    """Write the page's table from reports."""
    parser = argparse.ArgumentParser(prog="python -m tests.autobahn.table")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="with an index.json")
    publish(*(Report.read(folder, AGENT) for folder in parser.parse_args().folders))


if __name__ == "__main__":
    main()
