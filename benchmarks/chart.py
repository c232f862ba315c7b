"""The figures as an SVG bar chart of rates: a panel per task, longer bars are better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from .clients.registry import CLIENTS, OURS
from .figures import Results, Row, Spread
from .workloads import Metric, Task

WIDTH = 1120
MARGIN = 28
GUTTER = 28
COLUMNS = 2
HEADING = 96
PANEL_HEAD = 54
PANEL_FOOT = 18
BAR_PITCH = 23
BAR_HEIGHT = 15
LABEL_WIDTH = 202
VALUE_WIDTH = 78
FOOTING = 46

INK = "#1c2430"
FAINT = "#667085"
RULE = "#e4e7ec"
PAPER = "#ffffff"
OURS_COLOUR = "#0f766e"
PEER_COLOUR = "#b6c2d1"
BEST_PEER_COLOUR = "#64809f"
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"

SUBTITLE = "One run, one machine, one server; longer is better. Medians, with whiskers between the quartiles."
MEBIBYTE = 1 << 20
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
    'viewBox="0 0 {width} {height}" font-family="{font}" role="img">'
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One client's rate; the interquartile range as a whisker."""

    label: str
    rate: float
    low: float
    high: float
    colour: str
    ours: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """One task."""

    title: str
    unit: str
    bars: Sequence[Bar]

    @property
    def height(self) -> int:
        return PANEL_HEAD + BAR_PITCH * len(self.bars) + PANEL_FOOT


def draw(results: Results) -> str:
    """The whole chart."""
    columns, height = _place(panels(results))
    body = [
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>',
        _text(MARGIN, 44, "trio_ohws and its peers", size=24, weight=700),
        _text(MARGIN, 70, SUBTITLE, size=13, fill=FAINT),
    ]
    for x, y, panel in columns:
        body.append(f'<g transform="translate({x} {y})">{_panel(panel)}</g>')
    body.append(_text(MARGIN, height - 18, _footing(results), size=11, fill=FAINT))
    return "\n".join(
        [
            SVG.format(width=WIDTH, height=height, font=FONT),
            "<title>Benchmark of trio_ohws and its peers</title>",
            *body,
            "</svg>\n",
        ]
    )


def panels(results: Results) -> list[Panel]:
    """A panel for each task and metric, the ways of ours side by side with the peers, fastest first."""
    together: dict[tuple[Task, Metric], list[Row]] = {}
    for row in results.rows():
        if row.workload.metric == "memory":
            continue  # no rate
        together.setdefault((row.workload.task, row.workload.metric), []).append(row)
    drawn = [_panel_of(task, metric, rows) for (task, metric), rows in together.items()]
    return [panel for panel in drawn if panel.bars]


def _panel_of(task: Task, metric: Metric, rows: Sequence[Row]) -> Panel:
    scale, unit = _unit(task, metric)
    first = rows[0]
    bars = []
    for name, figure in first.peers.items():
        colour = BEST_PEER_COLOUR if name == first.best else PEER_COLOUR
        bars.append(_bar(CLIENTS[name].title, figure.spread(metric), scale, colour))
    for row in rows:
        if row.ours is not None:
            label = ", ".join(filter(None, [CLIENTS[OURS].title, row.workload.way]))
            bars.append(_bar(label, row.ours.spread(metric), scale, OURS_COLOUR, ours=True))
    return Panel(_title(task), unit, sorted(bars, key=lambda bar: -bar.rate))


def _bar(label: str, spread: Spread, scale: float, colour: str, *, ours: bool = False) -> Bar:
    return Bar(label, scale / spread.median, scale / spread.q3, scale / spread.q1, colour, ours)


def _unit(task: Task, metric: Metric) -> tuple[float, str]:
    """What the rate is counted in, and what a microsecond per operation is divided into to get it."""
    if task.kind in {"receive", "send"} and task.size >= 1 << 16:
        return 1e6 * task.size / MEBIBYTE, "MiB per second"
    noun = {"echo": "round trips", "connect": "connections"}.get(task.kind, "messages")
    return 1e6, f"{noun} per second" + (" of the client's cpu" if metric == "cpu" else "")


def _title(task: Task) -> str:
    if task.kind == "connect":
        return "Connect and close"
    title = f"{task.kind.capitalize()} {task.size_text} {'text' if task.text else 'binary'}"
    where = f"on {task.connections} connections" if task.connections > 1 else ""
    return ", ".join(filter(None, [title, task.layer, where]))


def _place(found: Sequence[Panel]) -> tuple[list[tuple[int, int, Panel]], int]:
    """Panels in rows of two, in their order; and the height of the whole."""
    width = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GUTTER) // COLUMNS
    placed = []
    y = HEADING
    for first in range(0, len(found), COLUMNS):
        line = found[first : first + COLUMNS]
        placed += [(MARGIN + column * (width + GUTTER), y, panel) for column, panel in enumerate(line)]
        y += max(panel.height for panel in line) + GUTTER // 2
    return placed, y + FOOTING


def _panel(panel: Panel) -> str:
    width = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GUTTER) // COLUMNS
    longest = max(max(bar.rate, bar.high) for bar in panel.bars)
    room = width - LABEL_WIDTH - VALUE_WIDTH
    parts = [
        f'<line x1="0" y1="0" x2="{width}" y2="0" stroke="{RULE}"/>',
        _text(0, 25, panel.title, size=16, weight=600),
        _text(0, 42, panel.unit, size=11, fill=FAINT),
    ]
    for number, bar in enumerate(panel.bars):
        y = PANEL_HEAD + number * BAR_PITCH
        middle = y + BAR_HEIGHT / 2
        length = max(1.0, room * bar.rate / longest)
        low, high = (LABEL_WIDTH + room * value / longest for value in (bar.low, bar.high))
        weight = 600 if bar.ours else 400
        parts += [
            _text(LABEL_WIDTH - 10, y + 12, bar.label, size=12, weight=weight, anchor="end"),
            f'<path d="M{LABEL_WIDTH} {y}h{length:.1f}v{BAR_HEIGHT}h{-length:.1f}z" fill="{bar.colour}"/>',
            *_whisker(low, high, middle),
            _text(max(LABEL_WIDTH + length, high) + 7, y + 12, _rate(bar.rate), size=12, weight=weight),
        ]
    return "".join(parts)


def _whisker(low: float, high: float, y: float) -> list[str]:
    """A line between two ends; pale underneath, so that it shows on a dark bar."""
    path = f"M{low:.1f} {y - 3}V{y + 3}M{low:.1f} {y}H{high:.1f}M{high:.1f} {y - 3}V{y + 3}"
    return [
        f'<path d="{path}" stroke="{colour}" stroke-width="{width}"/>'
        for colour, width in ((PAPER, 3), (INK, 1))
    ]


def _rate(rate: float) -> str:
    for limit, suffix in ((1e6, " M"), (1e4, " k")):
        if rate >= limit:
            return f"{rate / (1e6 if suffix == ' M' else 1e3):.3g}{suffix}"
    return f"{rate:,.0f}".replace(",", " ")


def _footing(results: Results) -> str:
    machine = results.machine
    packages = machine["packages"]
    assert isinstance(packages, dict)
    versions = ", ".join(f"{name} {version}" for name, version in packages.items())
    return (
        f"{machine['implementation']} {machine['python']}, {machine['system']} {machine['machine']}, "
        f"{machine['cores']} cores, {results.rounds} rounds or more; {versions}"
    )


def _text(
    x: float, y: float, text: str, *, size: int, weight: int = 400, fill: str = INK, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{fill}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
