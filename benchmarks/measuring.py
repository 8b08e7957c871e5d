"""Measurement of a case: compare the results first, then time the libraries in turns, A B C A B
C."""

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
TIMEOUT = 300  # seconds per request to a worker
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
LONG = 0.5  # seconds; longer runs need no warm-up


class Effort(NamedTuple):
    """How long to measure."""

    rounds: int  # maximum
    seconds: float  # per row, after which three rounds are enough
    sample: float  # minimum seconds per sample
    processes: int  # for metrics of the first run


FULL = Effort(rounds=31, seconds=45.0, sample=0.02, processes=7)
QUICK = Effort(rounds=3, seconds=1.0, sample=0.001, processes=1)


@dataclass
class Line:
    """The measurements of a row in one metric: values by column, and ratios of Lamina to each."""

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
    """A library that cannot run a row; `failed` is False if it does not support the row."""

    def __init__(self, reason: str, failed: bool) -> None:
        super().__init__(reason)
        self.failed = failed


class Contender:
    """A worker process, seen from the parent."""

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
        self._timed_out = False

    def open(self, row: Row) -> None:
        """Prepare a row. A process that has ended is replaced."""
        if self._process.poll() is not None:
            self.close()
            self._process, self._timed_out = self._start(), False
        self.ask("open", self._case.problem, dict(row))

    def ask(self, name: str, *args: Any) -> Any:
        """Send a request to the worker and return its answer.

        Raises:
            NoAnswerError: the library does not support the row, failed, or exceeded the timeout.
        """
        timer = threading.Timer(TIMEOUT, self._give_up)
        timer.start()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            pickle.dump((name, args), self._process.stdin)
            self._process.stdin.flush()
            kind, answer = pickle.load(self._process.stdout)
        except (EOFError, BrokenPipeError):
            reason = f"timeout after {TIMEOUT} s" if self._timed_out else "its process ended"
            raise NoAnswerError(reason, failed=True) from None
        finally:
            timer.cancel()
        if kind != "done":
            raise NoAnswerError(answer, failed=kind == "failed")
        return answer

    def _give_up(self) -> None:
        self._timed_out = True
        self._process.kill()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def _environment(case: Case, column: str, folder: Path) -> dict[str, str]:
    """The environment of a worker. Bytecode is cached, as for installed packages."""
    paths = filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])
    settings = {"PYTHONPATH": os.pathsep.join(paths), **DEVICES[case.device], **case.settings}
    if case.cached:
        settings["JAX_COMPILATION_CACHE_DIR"] = str(folder / f"compiled {column}")
        settings["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    inherited = {name: value for name, value in os.environ.items() if name != _NO_BYTECODE}
    return inherited | settings | dict(peer_of(column).settings)


@contextmanager
def contender(case: Case, column: str, folder: Path) -> Iterator[Contender]:
    opened = Contender(case, column, folder)
    try:
        yield opened
    finally:
        opened.close()


def run_case(case: Case, effort: Effort, log: Callable[[str], None]) -> list[Line]:
    """Measure every row of a case.

    Args:
        case: the case to measure.
        effort: FULL, or QUICK for the small rows.
        log: receives progress messages.
    """
    lacks = {column: peer_of(column).lacks() for column in case.contenders}
    columns = [column for column, reason in lacks.items() if not reason]
    skipped = {column: reason for column, reason in lacks.items() if reason}
    rows = case.quick if effort is QUICK else case.rows
    pending = [_Turns(case, row, dict(skipped)) for row in rows]
    with tempfile.TemporaryDirectory(prefix="lamina-bench-") as name:
        folder = Path(name)
        if any(not METRICS[metric].fresh for metric in case.metrics):
            for _ in range(min(case.processes, effort.processes)):
                with _contenders(case, columns, folder) as workers:
                    for turns in pending:
                        log(f"{case.name}: {label(turns.row)}")
                        turns.take(workers, effort)
        lines: list[Line] = []
        for turns in pending:
            lines += turns.lines()
            if any(METRICS[metric].fresh for metric in case.metrics):
                log(f"{case.name}: {label(turns.row)}, in new processes")
                lines += _in_new_processes(case, turns.row, columns, skipped, folder, effort)
    return lines


@contextmanager
def _contenders(case: Case, columns: list[str], folder: Path) -> Iterator[dict[str, Contender]]:
    with ExitStack() as stack:
        yield {c: stack.enter_context(contender(case, c, folder)) for c in columns}


@dataclass
class _Turns:
    """The metrics of a row that repeated runs in one process measure."""

    case: Case
    row: Row
    skipped: dict[str, str]
    samples: dict[str, list[float]] = field(default_factory=dict)
    calls: dict[str, list[float]] = field(default_factory=dict)
    apart: float | None = None

    def take(self, workers: dict[str, Contender], effort: Effort) -> None:
        """Add samples from these processes to those of earlier processes."""
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
        if OURS not in running:  # no baseline
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
    """Measure the metrics of the first run, with new processes in each round."""
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
                if number == 0:  # the first round only fills file caches
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
    """The largest difference from Lamina's results. Libraries above the tolerance are skipped."""
    if case.tolerance is None or OURS not in results:
        return None
    worst = 0.0
    for column, theirs in results.items():
        pairs = zip(results[OURS], theirs, strict=True)
        apart = max(difference(one, other) for one, other in pairs)
        if apart <= case.tolerance:
            worst = max(worst, apart)
            continue
        skipped[column] = f"disagrees: difference {apart:.1e} from Lamina's result"
        running.pop(column, None)
    return worst


def _completed(line: Line, skipped: dict[str, str], apart: float | None) -> Line:
    line.skipped, line.apart = skipped, apart
    return line
