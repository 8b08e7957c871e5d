"""Tables for people, and the places in pages that they fill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.case import METRICS, Case, Target
from benchmarks.figures import Figure, text, times
from benchmarks.measuring import OURS, Line
from benchmarks.records import Record

__all__ = [
    "Headline",
    "fill",
    "headlines",
    "machines",
    "overview",
    "plain",
    "remarks",
    "section",
    "shares",
    "table",
]

Cells = list[list[str]]


class Headline(NamedTuple):
    """A line with its case."""

    case: Case
    line: Line

    @property
    def title(self) -> str:
        metric = self.line.metric
        return self.case.title if metric != "peak" else f"{self.case.title}, peak memory"


def table(case: Case, lines: Sequence[Line]) -> Cells:
    """A line for each row and metric: Lamina's figure, then its ratio to each peer's."""
    columns = [c for c in case.contenders if c != OURS and any(c in x.ratios for x in lines)]
    cells = [["", "measured", OURS, *(f"over {column}" for column in columns)]]
    if case.targets:
        cells[0].append("at most")
    for line in [line for line in lines if OURS in line.figures]:
        own = line.figures[OURS]
        unit = METRICS[line.metric].unit
        row = [line.row, METRICS[line.metric].title, _absolute(own, unit)]
        row += [_ratio(line.ratios.get(column)) for column in columns]
        if case.targets:
            row.append(_verdicts(line, case.targets.get(line.metric, {})))
        cells.append(row)
    return cells


def _absolute(value: Figure, unit: str) -> str:
    around = f" ±{50 * value.spread:.0f}%" if value.runs > 1 else ""
    return text(value.median, unit) + around


def _ratio(value: Figure | None) -> str:
    """A ratio, with the quartiles where they differ from it in what is shown."""
    if value is None:
        return ""
    low, middle, high = (times(x) for x in (value.low, value.median, value.high))
    return middle if low == high else f"{middle} ({low} to {high})"


def _verdicts(line: Line, targets: Mapping[str, Target]) -> str:
    said = []
    for column, target in targets.items():
        if column in line.figures and OURS in line.figures:
            unit = METRICS[line.metric].unit
            extra = f" + {text(target.plus, unit)}" if target.plus else ""
            word = "met" if _within(line, column, target) else "missed"
            said.append(f"{target.ratio:g}x {column}{extra}: {word}")
    return "; ".join(said)


def _within(line: Line, column: str, target: Target) -> bool:
    """By the median of ratios, or where something is added by the figures themselves."""
    if not target.plus and column in line.ratios:
        return line.ratios[column].median <= target.ratio
    limit = target.ratio * line.figures[column].median + target.plus
    return line.figures[OURS].median <= limit


def plain(cells: Cells) -> str:
    """A table for a terminal."""
    widths = [max(len(row[index]) for row in cells) for index in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def markdown(cells: Cells) -> str:
    """A table for a page."""
    head, *body = cells
    rows = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def remarks(case: Case, lines: Sequence[Line]) -> list[str]:
    """What the table leaves out: how well results agree, and who took no part, and why."""
    apart = [line.apart for line in lines if line.apart is not None]
    said = []
    if case.tolerance is None:
        said.append("Results are random and were not compared.")
    elif apart:
        said.append(
            f"Results agree: {max(apart):.1e} apart at most, relative to the largest number; "
            f"{case.tolerance:.0e} is allowed."
        )
    return said + _left_out(lines)


def _left_out(lines: Sequence[Line]) -> list[str]:
    """Who took no part, why, and where if it was not everywhere."""
    reasons: dict[tuple[str, str], set[str]] = {}
    for line in lines:
        for column, reason in line.skipped.items():
            reasons.setdefault((column, reason), set()).add(line.row)
    every = len({line.row for line in lines})
    by_column: dict[str, list[str]] = {}
    for (column, reason), rows in reasons.items():
        partly = len(rows) < every and not reason.startswith("no ")
        where = f" ({'; '.join(sorted(rows))})" if partly else ""
        by_column.setdefault(column, []).append(reason + where)
    return [f"{column} is left out: {', '.join(why)}." for column, why in by_column.items()]


def section(case: Case, record: Record) -> str:
    """A case on a page: its title, its table, its remarks."""
    lines = record.lines
    parts = [f"### {record.title}", f"`python -m benchmarks {case.name}`"]
    return "\n\n".join([*parts, markdown(table(case, lines)), " ".join(remarks(case, lines))])


def headlines(cases: Mapping[str, Case], records: Mapping[str, Record]) -> list[Headline]:
    """The lines that the README and the chart tell of."""
    return [
        Headline(case, line)
        for case in cases.values()
        if case.headline and case.name in records
        for line in records[case.name].lines
        if line.metric != "calls" and line.ratios
    ]


def overview(cases: Mapping[str, Case], records: Mapping[str, Record]) -> str:
    """The table for the README: Lamina over each peer, a line for each headline."""
    lines = headlines(cases, records)
    named = dict.fromkeys(column for case in cases.values() for column in case.contenders)
    columns = [c for c in named if ":" not in c and any(c in x.line.ratios for x in lines)]
    cells = [["", OURS, *(f"over {column}" for column in columns)]]
    for headline in lines:
        ratios = [headline.line.ratios.get(column) for column in columns]
        own, unit = headline.line.figures[OURS], METRICS[headline.line.metric].unit
        told = ["" if ratio is None else times(ratio.median) for ratio in ratios]
        cells.append([headline.title, text(own.median, unit), *told])
    return "\n\n".join(
        [markdown(cells), *machines({x.case.name: records[x.case.name] for x in lines})]
    )


def machines(records: Mapping[str, Record]) -> list[str]:
    """What the records were made on, and which of them, if they were not all made on the same."""
    cases: dict[str, list[str]] = {}
    for name, record in records.items():
        facts = ", ".join(f"{name} {value}" for name, value in record.machine.items())
        cases.setdefault(facts, []).append(name)
    if len(cases) == 1:
        return [f"Measured with {facts}." for facts in cases]
    return [f"Measured with {facts}: {', '.join(names)}." for facts, names in cases.items()]


def shares(lines: Iterable[Line]) -> str:
    """A breakdown: each row's time, and its share of the first row's, which is the whole."""
    timed = [line for line in lines if line.metric == "time" and OURS in line.figures]
    cells = [["part", "time", "share"]]
    for line in timed:
        seconds = line.figures[OURS].median
        whole = timed[0].figures[OURS].median
        cells.append(
            [
                line.row.removeprefix("part ").partition(",")[0],
                text(seconds, "s"),
                f"{seconds / whole:.0%}",
            ]
        )
    return markdown(cells)


def fill(path: Path, name: str, content: str) -> None:
    """Put content between a page's markers ``<!-- name:begin -->`` and ``<!-- name:end -->``.

    Raises:
        ValueError: the page does not have them, once each and in this order.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    page = path.read_text("utf-8")
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed or begin in rest or end in after:
        raise ValueError(f"{path} needs {begin} and, after it, {end}, once each.")
    path.write_text(f"{before}{begin}\n\n{content}\n\n{end}{after}", encoding="utf-8")
