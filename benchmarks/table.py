"""The tables, in Markdown that also lines up on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from .clients.registry import CLIENTS, FLOOR, OURS
from .figures import SATURATED, UNSTEADY_IQR, Figure, Results, Row, Verdict
from .workloads import ALONE, BEST, Metric

LEGEND = f"""\
Microseconds per operation, or KiB of memory, medians; the best peer in bold. `cpu` is the client process's
user plus system time, everything else is waiting. `~`: the interquartile range is wider than
{UNSTEADY_IQR:.0%} of the median, do not build on it. `s`: the server was busy for more than {SATURATED:.0%}
of the time, and is what was measured.\
"""

BUSY_MACHINE = 0.1
"""From this part of slow samples on, the report warns."""

RATIO_LEGEND = """\
Ratios of rates: 2.00 is twice as fast. Those marked `cost` are ratios of costs: 0.50 is half the time. Each
is the median of the rounds' ratios, and so not that of the medians above. "By cpu" is ours / best once more,
by the client's processor time: a busy machine disturbs it less. "Floor" is the same ratio for Trio and a
socket with no client at all.\
"""


def microseconds(value: float) -> str:
    """Three digits or so: 0.29, 15.8, 4 240."""
    if value < 10:
        return f"{value:.2f}"
    if value < 100:
        return f"{value:.1f}"
    return f"{value:,.0f}".replace(",", " ")


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with padded columns."""
    widths = [max(len(line[column]) for line in (header, *rows)) for column in range(len(header))]
    ruler = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in (header, ruler, *rows)
    )


def figures(results: Results) -> str:
    """Every client's figures."""
    header = ["workload", *(CLIENTS[client].title for client in results.clients)]
    lines = []
    for row in results.rows():
        found: dict[str, Figure | None] = {**row.peers, OURS: row.ours, FLOOR: row.floor}
        metric = row.workload.metric
        cells = [_cell(found.get(client), metric, bold=client == row.best) for client in results.clients]
        lines.append([row.workload.title, *cells])
    return markdown(header, lines)


def ratios(results: Results) -> str:
    """How ours compares; empty if ours was not measured."""
    header = ["workload", "trio_ohws", "best peer", "ours / best", "by cpu", "ours / picows", "target"]
    lines = [
        [
            row.workload.title,
            _cell(row.ours, row.workload.metric),
            _best(row),
            _ratio(row, BEST),
            _ratio(row, BEST, "cpu"),
            _ratio(row, "picows"),
            "; ".join(_verdict(verdict) for verdict in row.verdicts()),
        ]
        for row in results.rows()
        if row.ours is not None
    ]
    return markdown(header, lines) if lines else ""


def report(results: Results) -> str:
    """Everything that is printed at the end of a run."""
    parts = [figures(results), LEGEND]
    compared = ratios(results)
    if compared:
        parts += [compared, RATIO_LEGEND]
    if results.slow_share > BUSY_MACHINE:
        share = f"{results.slow_share:.0%}"
        parts.append(
            f"The machine was not quiet: {share} of the samples fell into slow moments. Run it again."
        )
    parts += [f"Not measured: {name}: {reason}" for name, reason in results.failures.items()]
    return "\n\n".join(parts)


def _cell(figure: Figure | None, metric: Metric, *, bold: bool = False) -> str:
    if figure is None:
        return ""
    text = microseconds(figure.spread(metric).median) + figure.marks(metric)
    return f"**{text}**" if bold else text


def _best(row: Row) -> str:
    if row.best is None:
        return ""
    return f"{CLIENTS[row.best].title} {_cell(row.peers[row.best], row.workload.metric)}"


def _ratio(row: Row, against: str, metric: Metric | None = None) -> str:
    ratio = row.ratio(against, metric)
    if ratio is None:
        return ""
    return f"{ratio:.2f} cost" if row.workload.cost else f"{ratio:.2f}"


def _verdict(verdict: Verdict) -> str:
    against = verdict.target.against
    name = against if against in (ALONE, BEST) else CLIENTS[against].title
    outcome = "met" if verdict.met else "MISSED"
    floor = "" if verdict.floor is None else f", floor {verdict.floor:.2f}"
    return f"{verdict.target.bound:g} x {name}: {verdict.ratio:.2f} {outcome}{floor}"
