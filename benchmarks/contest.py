"""A run: every client in turn, round after round, task after task."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from .certificates import certificates
from .clients.registry import CLIENTS, FLOOR, LIBRARIES, OURS
from .figures import Entry, Results, Sample
from .machine import facts
from .processes import Failed, Server, Worker, cores
from .workloads import ALONE, Task, Workload

ATTEMPTS = 4


def entries(workloads: Sequence[Workload], clients: Sequence[str]) -> dict[Task, list[Entry]]:
    """What is to be measured for each task: ours in each way asked for, each peer once, the floor."""
    by_task: dict[Task, dict[Entry, None]] = {}
    for workload in workloads:
        of_task = by_task.setdefault(workload.task, {})
        tasks = [workload.task]
        if any(target.against == ALONE for target in workload.targets):
            tasks.insert(0, workload.task.alone)
        for task in tasks:
            for client in clients:
                if client == OURS:
                    of_task[Entry(task, client, workload.way)] = None
                elif client == FLOOR:
                    if workload.floor:
                        of_task[Entry(task, client, workload.floor)] = None
                elif CLIENTS[client].can(workload.task):
                    of_task[Entry(task, client, "")] = None
    return {task: list(of_task) for task, of_task in by_task.items()}


class Contest:
    """Measures workloads with clients.

    Args:
        rounds: How often everybody is measured.
        further_rounds: How often at most those are measured again between whom it is open whether a target
            is met.
        seconds: What a sample measures, at least; half of it in a further round.
        patience_s: The time that may be spent, in all, on taking samples again that fell into a slow moment.
        tell: Is given a line of progress at a time.
    """

    def __init__(
        self,
        workloads: Sequence[Workload],
        clients: Sequence[str],
        *,
        rounds: int,
        further_rounds: int,
        seconds: float,
        patience_s: float,
        tell: Callable[[str], None],
    ) -> None:
        packages = [CLIENTS[client].package for client in clients]
        self.results = Results(workloads, clients, facts(sorted({*packages, *LIBRARIES})), rounds)
        self._further_rounds = further_rounds
        self._seconds = seconds
        self._patience_s = patience_s
        self._tell = tell
        self._server_core, self._client_core = cores()

    def run(self) -> Results:
        """Measure everything; a client that fails is left out, and the reason kept."""
        results = self.results
        with ExitStack() as stack:
            authority, certificate = certificates(Path(stack.enter_context(TemporaryDirectory())))
            server = stack.enter_context(Server(core=self._server_core, certificate=certificate))
            workers = {}

            def start(client: str) -> None:
                try:
                    worker = Worker(client, server, authority, core=self._client_core)
                    workers[client] = stack.enter_context(worker)
                except Failed as failure:
                    self._fail(CLIENTS[client].title, failure)

            for client in results.clients:
                start(client)
            for task, of_task in entries(results.workloads, [*workers]).items():
                remaining = dict.fromkeys(of_task)
                for number in range(1, results.rounds + self._further_rounds + 1):
                    further = number > results.rounds
                    contenders = results.contenders(task) if further else {*results.clients}
                    if not contenders:
                        break
                    entered = [entry for entry in remaining if entry.client in contenders]
                    # In another order each time, so that nobody always comes after the same one.
                    for entry in Random(number).sample(entered, len(entered)):  # noqa: S311
                        name = self._name(entry)
                        self._tell(f"round {number}: {name}")
                        try:
                            if entry.task.kind == "idle":
                                start(entry.client)  # memory is measured in a fresh process
                            sample = self._sample(workers[entry.client], entry, further=further)
                            results.add(entry, number, sample)
                        except Failed as failure:
                            self._fail(name, failure)
                            del remaining[entry]
                            if workers[entry.client].ended:
                                start(entry.client)
        self._tell("")
        return results

    @staticmethod
    def _name(entry: Entry) -> str:
        task = entry.task
        return " ".join(
            filter(None, [f"{CLIENTS[entry.client].title}:", task.kind, task.size_text, entry.way])
        )

    def _fail(self, name: str, failure: Failed) -> None:
        self._tell(f"{name}: {failure}\n")
        self.results.failures[name] = str(failure)

    def _sample(self, worker: Worker, entry: Entry, *, further: bool) -> Sample:
        """The sample of a moment when the machine was as fast as it can be, or the best of a few.

        What slows the machine for seconds is to meet both sides of a ratio: so those of further rounds are
        short, and none is taken again.
        """
        seconds, attempts = (self._seconds / 2, 1) if further else (self._seconds, ATTEMPTS)
        samples: list[Sample] = []
        while True:
            begun = time.perf_counter()
            samples.append(worker.measure(entry, seconds))
            best = min(samples, key=lambda sample: sample.pace_ns)
            self.results.best_pace_ns = min(self.results.best_pace_ns, best.pace_ns)
            if entry.task.kind == "idle" or not self.results.slow(best):
                return best
            if len(samples) == attempts or self._patience_s <= 0:
                return best
            self._patience_s -= time.perf_counter() - begun
