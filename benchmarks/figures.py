"""Samples, what they come to, and how ours compares."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from .clients.registry import FLOOR, OURS
from .workloads import ALONE, BEST, Metric, Target, Task, Workload

UNSTEADY_IQR = 0.15
"""A figure whose interquartile range is wider than this part of its median is marked `~`."""

SATURATED = 0.9
"""From this share of busy time on, the server is what was measured; such a figure is marked `s`."""

DEVIATIONS = 3
"""So many standard deviations of a fair coin tell rounds that meet a target, or miss it, from chance."""

SLOW_MOMENT = 1.2
"""A sample is slow, and taken again, if the machine's pace was worse than the run's best by this factor."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Whose figure it is: a client doing a task. Peers have one way, the empty one."""

    task: Task
    client: str
    way: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement, per operation where it says microseconds, per connection where it says KiB."""

    wall_us: float
    cpu_us: float
    memory_kib: float
    server_busy: float
    """The part of the time in which the server used its core."""
    pace_ns: float
    """How slow the machine was around it, see `benchmarks.pace`."""

    def value(self, metric: Metric) -> float:
        return {"wall": self.wall_us, "cpu": self.cpu_us, "memory": self.memory_kib}[metric]


@dataclass(frozen=True, slots=True)
class Spread:
    """Several values of one quantity."""

    median: float
    q1: float
    q3: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of one or more values."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0], values[0], values[0])
        q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, q1, q3, min(values), max(values))

    @property
    def unsteady(self) -> bool:
        return self.q3 - self.q1 > UNSTEADY_IQR * self.median


@dataclass(frozen=True, slots=True)
class Figure:
    """What an entry's samples come to."""

    wall_us: Spread
    cpu_us: Spread
    memory_kib: Spread
    server_busy: float
    samples: Mapping[int, Sample]
    """By round."""

    @classmethod
    def of(cls, by_round: Mapping[int, Sample]) -> Figure:
        """The figure of one or more samples."""
        samples = by_round.values()
        return cls(
            Spread.of([sample.wall_us for sample in samples]),
            Spread.of([sample.cpu_us for sample in samples]),
            Spread.of([sample.memory_kib for sample in samples]),
            statistics.median([sample.server_busy for sample in samples]),
            by_round,
        )

    def spread(self, metric: Metric) -> Spread:
        return {"wall": self.wall_us, "cpu": self.cpu_us, "memory": self.memory_kib}[metric]

    @property
    def saturated(self) -> bool:
        return self.server_busy > SATURATED

    def marks(self, metric: Metric) -> str:
        """`~` and `s`, where they apply."""
        return "~" * self.spread(metric).unsteady + "s" * (metric == "wall" and self.saturated)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and the ratio that was reached."""

    target: Target
    ratio: float
    met: bool
    floor: float | None = None
    """The ratio that Trio alone reaches, with no client at all."""


@dataclass(frozen=True, slots=True)
class Row:
    """A workload's figures."""

    workload: Workload
    ours: Figure | None
    peers: Mapping[str, Figure]
    alone: Figure | None = None
    """Ours on one connection, where the workload has many."""
    floor: Figure | None = None
    """What Trio alone takes."""

    @property
    def best(self) -> str | None:
        """The peer with the smallest median of the workload's metric."""
        return self._best_by(self.workload.metric)

    def ratio(self, against: str, metric: Metric | None = None) -> float | None:
        """Ours against a peer or BEST: of rates, or of costs where the workload says so.

        By the workload's own metric or by another; None if either side was not measured.
        """
        return _median(self._ratios(self.ours, against, metric))

    def _ratios(self, figure: Figure | None, against: str, metric: Metric | None = None) -> list[float]:
        """A figure's in each round: what slows the machine down for seconds meets both sides of it."""
        metric = metric or self.workload.metric
        name = self._best_by(metric) if against == BEST else against
        other = self.alone if against == ALONE else self.peers.get(name or "")
        if figure is None or other is None:
            return []
        found = []
        for number in sorted(figure.samples.keys() & other.samples.keys()):
            its, theirs = figure.samples[number].value(metric), other.samples[number].value(metric)
            found.append(its / theirs if self.workload.cost else theirs / its)
        return found

    @property
    def contenders(self) -> set[str]:
        """Whose further samples may change a verdict: none if enough rounds agree."""
        found = set()
        for target in self.workload.targets:
            if self._open(target):
                found |= {OURS, *self._rivals(target)}
        if found and self.floor is not None:
            found.add(FLOOR)
        return found

    def _open(self, target: Target) -> bool:
        """Whether chance may have it that the rounds meet the target, or miss it, as often as they do."""
        rounds = [self._meets(ratio, target) for ratio in self._ratios(self.ours, target.against)]
        lead = 2 * sum(rounds) - len(rounds)
        return lead**2 < DEVIATIONS**2 * len(rounds)

    def _meets(self, ratio: float, target: Target) -> bool:
        return ratio <= target.bound if self.workload.cost else ratio >= target.bound

    def _rivals(self, target: Target) -> set[str]:
        """The peers that it is about: for BEST, those that may be the best one."""
        if target.against != BEST:
            return {target.against} - {ALONE}
        metric = self.workload.metric
        enough = min(figure.spread(metric).q3 for figure in self.peers.values())
        return {name for name, figure in self.peers.items() if figure.spread(metric).q1 <= enough}

    def _best_by(self, metric: Metric) -> str | None:
        return min(self.peers, key=lambda name: self.peers[name].spread(metric).median, default=None)

    def verdicts(self) -> list[Verdict]:
        """The targets whose peer was measured."""
        found = []
        for target in self.workload.targets:
            ratio = self.ratio(target.against)
            if ratio is not None:
                floor = _median(self._ratios(self.floor, target.against))
                found.append(Verdict(target, ratio, self._meets(ratio, target), floor))
        return found


def _median(ratios: Sequence[float]) -> float | None:
    return statistics.median(ratios) if ratios else None


@dataclass(slots=True)
class Results:
    """A whole run."""

    workloads: Sequence[Workload]
    clients: Sequence[str]
    machine: Mapping[str, object]
    rounds: int
    samples: dict[Entry, dict[int, Sample]] = field(default_factory=dict)
    """Each entry's, by round."""
    failures: dict[str, str] = field(default_factory=dict)
    """What went wrong, by client, or by client and task."""
    best_pace_ns: float = float("inf")
    """The machine at its fastest."""

    def add(self, entry: Entry, number: int, sample: Sample) -> None:
        self.samples.setdefault(entry, {})[number] = sample

    def slow(self, sample: Sample) -> bool:
        """Whether the sample fell into a slow moment of the machine."""
        return sample.pace_ns > SLOW_MOMENT * self.best_pace_ns

    @property
    def slow_share(self) -> float:
        """The part of the samples that did."""
        samples = [sample for of_entry in self.samples.values() for sample in of_entry.values()]
        return sum(map(self.slow, samples)) / len(samples) if samples else 0.0

    def figure(self, entry: Entry) -> Figure | None:
        samples = self.samples.get(entry)
        return Figure.of(samples) if samples else None

    def row(self, workload: Workload) -> Row:
        """A workload's row."""
        peers = {}
        for name in self.clients:
            figure = self.figure(Entry(workload.task, name, ""))
            if name not in (OURS, FLOOR) and figure is not None:
                peers[name] = figure
        ours = self.figure(Entry(workload.task, OURS, workload.way))
        alone = None
        if workload.task.connections > 1:
            alone = self.figure(Entry(workload.task.alone, OURS, workload.way))
        floor = self.figure(Entry(workload.task, FLOOR, workload.floor))
        return Row(workload, ours, peers, alone, floor)

    def contenders(self, task: Task) -> set[str]:
        """The clients that are to be measured further, because a row of this task is open; see `Row`."""
        rows = (self.row(workload) for workload in self.workloads if workload.task == task)
        return {name for row in rows for name in row.contenders}

    def rows(self) -> list[Row]:
        return [self.row(workload) for workload in self.workloads]

    def as_json(self) -> dict[str, object]:
        """Everything, for other programs; times in microseconds per operation."""
        return {
            "machine": self.machine,
            "rounds": self.rounds,
            "slow_share": self.slow_share,
            "failures": self.failures,
            "workloads": [_row_as_json(row) for row in self.rows()],
        }


def _row_as_json(row: Row) -> dict[str, object]:
    figures = dict(row.peers)
    if row.ours is not None:
        figures = {OURS: row.ours, **figures}
    if row.floor is not None:
        figures[FLOOR] = row.floor
    workload = row.workload
    return {
        "name": workload.name,
        "title": workload.title,
        "task": asdict(workload.task),
        "way": workload.way,
        "metric": workload.metric,
        "ratio_of": "costs" if workload.cost else "rates",
        "best_peer": row.best,
        "figures": {name: asdict(figure) for name, figure in figures.items()},
        "ratios": {name: row.ratio(name) for name in row.peers} if row.ours else {},
        "targets": [
            {**asdict(verdict.target), "ratio": verdict.ratio, "met": verdict.met, "floor": verdict.floor}
            for verdict in row.verdicts()
        ],
    }
