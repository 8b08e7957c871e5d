"""Running a case: contenders agree first, then take turns, A B C A B C."""

from __future__ import annotations

import functools
import math
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.agreement import Arrays, difference
from benchmarks.case import DEVICES, METRICS, Case, Row, label, peer_of
from benchmarks.figures import Figure, figure, ratio

__all__ = ["FULL", "QUICK", "Effort", "Line", "run_case"]

ROOT = Path(__file__).resolve().parent.parent
OURS = "Lamina"
PATIENCE = 300  # seconds for one answer
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
LONG = 0.5  # seconds of a run, which then need not be warmed up for


class Effort(NamedTuple):
    """How long to measure: rounds at most, seconds a row after which three rounds are enough,
    seconds that a sample should take, and processes for what is measured once in each."""

    rounds: int
    seconds: float
    sample: float
    processes: int


FULL = Effort(rounds=31, seconds=45.0, sample=0.02, processes=7)
QUICK = Effort(rounds=3, seconds=1.0, sample=0.001, processes=1)


@dataclass
class Line:
    """What a row came to in one metric: figures by column, and Lamina's over each of them."""

    row: str
    metric: str
    figures: dict[str, Figure] = field(default_factory=dict)
    ratios: dict[str, Figure] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    apart: float | None = None

    @classmethod
    def of(cls, row: str, metric: str, samples: dict[str, list[float]]) -> Line:
        line = cls(row, metric, {column: figure(runs) for column, runs in samples.items()})
        if OURS in samples:
            others = {column: runs for column, runs in samples.items() if column != OURS}
            line.ratios = {c: ratio(samples[OURS], runs) for c, runs in others.items()}
        return line


class NoAnswerError(Exception):
    """A contender that cannot take part; `failed` if that is nobody's wish."""

    def __init__(self, reason: str, failed: bool) -> None:
        super().__init__(reason)
        self.failed = failed


class Contender:
    """The parent's end of a worker."""

    def __init__(self, case: Case, column: str, folder: Path) -> None:
        self._case = case
        self._start = functools.partial(
            subprocess.Popen,
            [sys.executable, "-m", "benchmarks.worker", *case.place(column)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=_environment(case, column, folder),
        )
        self._process = self._start()
        self._late = False

    def open(self, row: Row) -> None:
        """Set up for a row; a process that an earlier row has ended is replaced."""
        if self._process.poll() is not None:
            self.close()
            self._process, self._late = self._start(), False
        self.ask("open", self._case.problem, dict(row))

    def ask(self, name: str, *args: Any) -> Any:
        """What the worker answers.

        Raises:
            NoAnswerError: it has not what is asked for, it failed, or it took too long.
        """
        watch = threading.Timer(PATIENCE, self._give_up)
        watch.start()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            pickle.dump((name, args), self._process.stdin)
            self._process.stdin.flush()
            kind, answer = pickle.load(self._process.stdout)
        except (EOFError, BrokenPipeError):
            reason = f"no answer in {PATIENCE} s" if self._late else "its process ended"
            raise NoAnswerError(reason, failed=True) from None
        finally:
            watch.cancel()
        if kind != "done":
            raise NoAnswerError(answer, failed=kind == "failed")
        return answer

    def _give_up(self) -> None:
        self._late = True
        self._process.kill()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def _environment(case: Case, column: str, folder: Path) -> dict[str, str]:
    """The environment of a contender's process; all keep compiled modules, as installed ones do."""
    paths = filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])
    settings = {"PYTHONPATH": os.pathsep.join(paths), **DEVICES[case.device], **case.settings}
    if case.cached:
        settings["JAX_COMPILATION_CACHE_DIR"] = str(folder / f"compiled {column}")
        settings["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    kept = {name: value for name, value in os.environ.items() if name != _NO_BYTECODE}
    return kept | settings | dict(peer_of(column).settings)


@contextmanager
def contender(case: Case, column: str, folder: Path) -> Iterator[Contender]:
    opened = Contender(case, column, folder)
    try:
        yield opened
    finally:
        opened.close()


def run_case(case: Case, effort: Effort, tell: Callable[[str], None]) -> list[Line]:
    """Measure every row of a case.

    Args:
        case: what to measure.
        effort: FULL, or QUICK for a trial with its smaller rows.
        tell: is given a word on what goes on.
    """
    lacks = {column: peer_of(column).lacks() for column in case.contenders}
    columns = [column for column, reason in lacks.items() if not reason]
    skipped = {column: reason for column, reason in lacks.items() if reason}
    rows = case.quick if effort is QUICK else case.rows
    taken = [_Turns(case, row, dict(skipped)) for row in rows]
    with tempfile.TemporaryDirectory(prefix="lamina-bench-") as name:
        folder = Path(name)
        if any(not METRICS[metric].fresh for metric in case.metrics):
            for _ in range(min(case.processes, effort.processes)):
                with _contenders(case, columns, folder) as workers:
                    for turns in taken:
                        tell(f"{case.name}: {label(turns.row)}")
                        turns.take(workers, effort)
        lines: list[Line] = []
        for turns in taken:
            lines += turns.lines()
            if any(METRICS[metric].fresh for metric in case.metrics):
                tell(f"{case.name}: {label(turns.row)}, in new processes")
                lines += _in_new_processes(case, turns.row, columns, skipped, folder, effort)
    return lines


@contextmanager
def _contenders(case: Case, columns: list[str], folder: Path) -> Iterator[dict[str, Contender]]:
    with ExitStack() as stack:
        yield {c: stack.enter_context(contender(case, c, folder)) for c in columns}


@dataclass
class _Turns:
    """What of a row can be run over and over: samples one after the other."""

    case: Case
    row: Row
    skipped: dict[str, str]
    samples: dict[str, list[float]] = field(default_factory=dict)
    calls: dict[str, list[float]] = field(default_factory=dict)
    apart: float | None = None

    def take(self, workers: dict[str, Contender], effort: Effort) -> None:
        """Samples of these processes, behind those of earlier ones."""
        running: dict[str, Contender] = {}
        results: dict[str, list[Arrays]] = {}
        for column, worker in workers.items():
            if column not in self.skipped:
                with _skipping(self.skipped, column):
                    worker.open(self.row)
                    results[column] = worker.ask("results", self.case.checks)
                    running[column] = worker
        apart = _compare(self.case, results, self.skipped, running)
        self.apart = max((x for x in (apart, self.apart) if x is not None), default=None)
        if OURS not in running:  # nothing to compare with
            running = {}
        if "time" in self.case.metrics:
            more = _samples(running, effort)
            self.samples = {c: [*self.samples.get(c, []), *runs] for c, runs in more.items()}
        if "calls" in self.case.metrics:
            self.calls = {column: [one.ask("calls")] for column, one in running.items()}

    def lines(self) -> list[Line]:
        kinds = {"time": self.samples, "calls": self.calls}
        wanted = [metric for metric in kinds if metric in self.case.metrics]
        lines = [Line.of(label(self.row), metric, kinds[metric]) for metric in wanted]
        return [_completed(line, self.skipped, self.apart) for line in lines]


def _samples(running: dict[str, Contender], effort: Effort) -> dict[str, list[float]]:
    seconds = {
        column: one.ask("sample", 1, False) * one.ask("parts") for column, one in running.items()
    }
    counts = {column: max(1, math.ceil(effort.sample / one)) for column, one in seconds.items()}
    samples: dict[str, list[float]] = {column: [] for column in running}
    begin = time.perf_counter()
    for number in range(effort.rounds):
        if number >= 3 and time.perf_counter() - begin > effort.seconds:
            break
        for column, one in running.items():
            samples[column].append(one.ask("sample", counts[column], seconds[column] < LONG))
    return samples


def _in_new_processes(
    case: Case, row: Row, columns: list[str], lacking: dict[str, str], folder: Path, effort: Effort
) -> list[Line]:
    """What happens once in a process: new ones in every round."""
    skipped = dict(lacking)
    wanted = [name for name in case.metrics if METRICS[name].fresh]
    samples: dict[str, dict[str, list[float]]] = {name: {} for name in wanted}
    results: dict[str, list[Arrays]] = {}
    count = max(effort.processes, case.processes) if effort.processes > 1 else 1
    for number in range(count + 1):
        for column in [column for column in columns if column not in skipped]:
            with contender(case, column, folder) as opened, _skipping(skipped, column):
                opened.open(row)
                found, result = opened.ask("first")
                if number == 0:  # files, and what is kept on disk, are at hand from here on
                    results[column] = [result]
                    continue
                for name in wanted:
                    samples[name].setdefault(column, []).append(found[name])
        if number == 0:
            apart = _compare(case, results, skipped, {})
    lines = [Line.of(label(row), name, samples[name]) for name in wanted]
    return [_completed(line, skipped, apart) for line in lines]


@contextmanager
def _skipping(skipped: dict[str, str], column: str) -> Iterator[None]:
    try:
        yield
    except NoAnswerError as reason:
        skipped[column] = f"failed: {reason}" if reason.failed else str(reason)


def _compare(
    case: Case,
    results: dict[str, list[Arrays]],
    skipped: dict[str, str],
    running: dict[str, Contender],
) -> float | None:
    """How far the contenders are from Lamina at most; those too far take no part."""
    if case.tolerance is None or OURS not in results:
        return None
    worst = 0.0
    for column, theirs in results.items():
        pairs = zip(results[OURS], theirs, strict=True)
        apart = max(difference(one, other) for one, other in pairs)
        if apart <= case.tolerance:
            worst = max(worst, apart)
            continue
        skipped[column] = f"disagrees: {apart:.1e} away from Lamina's result"
        running.pop(column, None)
    return worst


def _completed(line: Line, skipped: dict[str, str], apart: float | None) -> Line:
    line.skipped, line.apart = skipped, apart
    return line
