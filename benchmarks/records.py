"""Records of measurements as JSON, and comparison with earlier records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.case import METRICS
from benchmarks.figures import Figure, times
from benchmarks.measuring import Line

__all__ = ["RESULTS", "Record", "Worse", "dumps", "moved", "read", "worse", "write"]

RESULTS = Path(__file__).resolve().parent / "results"
SLACK = 0.03  # relative change of a ratio that is within measurement noise


@dataclass
class Record:
    """The measurements of a case, and the machine."""

    case: str
    title: str
    machine: dict[str, str]
    lines: list[Line]


def write(record: Record, folder: Path = RESULTS) -> Path:
    """Save a record, replacing the earlier record of the case."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record.case}.json"
    path.write_text(dumps([record]), encoding="utf-8")
    return path


def read(folder: Path = RESULTS) -> dict[str, Record]:
    """All saved records by case."""
    found = [_record(one) for path in sorted(folder.glob("*.json")) for one in _parsed(path)]
    return {record.case: record for record in found}


def dumps(records: Iterable[Record]) -> str:
    """Records as a JSON list, with statistics as ``[median, low, high, runs]``."""
    return json.dumps([asdict(record) for record in records], indent=1) + "\n"


def _parsed(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text("utf-8"))


def _record(given: dict[str, Any]) -> Record:
    lines = []
    for line in given.pop("lines"):
        for name in ("figures", "ratios"):
            line[name] = {column: Figure(*numbers) for column, numbers in line[name].items()}
        lines.append(Line(**line))
    return Record(lines=lines, **given)


class Worse(NamedTuple):
    """A ratio that increased: its row and column, its earlier value and its new value."""

    where: str
    before: Figure
    now: Figure

    def __str__(self) -> str:
        low, high = times(self.before.low), times(self.before.high)
        was = f"{times(self.before.median)} ({low} to {high})"
        return f"{self.where}: {times(self.now.median)}, was {was}"


def worse(before: Sequence[Line], now: Sequence[Line]) -> list[Worse]:
    """Ratios whose lower quartile exceeds the earlier upper quartile by more than ``SLACK``.

    Rows and columns that exist on one side only are not compared.
    """
    kept = {(line.row, line.metric): line.ratios for line in before}
    found = []
    for line in now:
        earlier = kept.get((line.row, line.metric), {})
        for column in earlier.keys() & line.ratios.keys():
            old, new = earlier[column], line.ratios[column]
            if new.low > old.high * (1 + SLACK):
                where = f"{line.row}, {METRICS[line.metric].title} over {column}"
                found.append(Worse(where.lstrip(", "), old, new))
    return sorted(found)


def moved(before: Record, now: Record) -> list[str]:
    """Differences between the machines of two records."""
    names = dict.fromkeys([*before.machine, *now.machine])
    pairs = {name: (before.machine.get(name, "-"), now.machine.get(name, "-")) for name in names}
    return [f"{name} {old}, now {new}" for name, (old, new) in pairs.items() if old != new]
