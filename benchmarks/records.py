"""Records: what was measured, as JSON, and what got worse since."""

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
SLACK = 0.03  # of a ratio: so little no machine measures twice


@dataclass
class Record:
    """What a case came to, and on what machine."""

    case: str
    title: str
    machine: dict[str, str]
    lines: list[Line]


def write(record: Record, folder: Path = RESULTS) -> Path:
    """Keep a record, in place of the one that the case had."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record.case}.json"
    path.write_text(dumps([record]), encoding="utf-8")
    return path


def read(folder: Path = RESULTS) -> dict[str, Record]:
    """The records that are kept, by case."""
    found = [_record(one) for path in sorted(folder.glob("*.json")) for one in _parsed(path)]
    return {record.case: record for record in found}


def dumps(records: Iterable[Record]) -> str:
    """Records as JSON: a list, figures as ``[median, low, high, runs]``."""
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
    """A ratio that rose: where it stands, what it was, what it is."""

    where: str
    before: Figure
    now: Figure

    def __str__(self) -> str:
        low, high = times(self.before.low), times(self.before.high)
        was = f"{times(self.before.median)} ({low} to {high})"
        return f"{self.where}: {times(self.now.median)}, was {was}"


def worse(before: Sequence[Line], now: Sequence[Line]) -> list[Worse]:
    """What got worse: ratios whose spread is above the earlier one's, and above the slack.

    Rows and columns that only one of the two has are not compared.
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
    """What is not the same about the machine."""
    names = dict.fromkeys([*before.machine, *now.machine])
    pairs = {name: (before.machine.get(name, "-"), now.machine.get(name, "-")) for name in names}
    return [f"{name} {old}, now {new}" for name, (old, new) in pairs.items() if old != new]
