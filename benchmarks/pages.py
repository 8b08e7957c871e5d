"""Tables of results, and the sections of the docs that contain them."""

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
    """A measurement of the README, with its case."""

    case: Case
    line: Line

    @property
    def title(self) -> str:
        peak = ", peak memory" if self.line.metric == "peak" else ""
        row = f": {self.line.row}" if len(self.case.rows) > 1 else ""
        return f"{self.case.title}{peak}{row}"


def table(case: Case, lines: Sequence[Line]) -> Cells:
    """One line per row and metric: Lamina's value, then its ratio to each library."""
    columns = [c for c in case.contenders if c != OURS and any(c in x.ratios for x in lines)]
    cells = [["", "metric", OURS, *(f"over {column}" for column in columns)]]
    if case.targets:
        cells[0].append("target")
    for line in [line for line in lines if OURS in line.figures]:
        own = line.figures[OURS]
        unit = METRICS[line.metric].unit
        row = [line.row, METRICS[line.metric].title, _absolute(own, unit)]
        row += [_ratio(line.ratios.get(column)) for column in columns]
        if case.targets:
            row.append(_target_results(line, case.targets.get(line.metric, {})))
        cells.append(row)
    return cells


def _absolute(value: Figure, unit: str) -> str:
    around = f" ±{50 * value.spread:.0f}%" if value.runs > 1 else ""
    return text(value.median, unit) + around


def _ratio(value: Figure | None) -> str:
    """A ratio, with its quartiles if they differ after rounding."""
    if value is None:
        return ""
    low, middle, high = (times(x) for x in (value.low, value.median, value.high))
    return middle if low == high else f"{middle} ({low} to {high})"


def _target_results(line: Line, targets: Mapping[str, Target]) -> str:
    results = []
    for column, target in targets.items():
        if column in line.figures and OURS in line.figures:
            unit = METRICS[line.metric].unit
            extra = f" + {text(target.plus, unit)}" if target.plus else ""
            word = "met" if _within(line, column, target) else "missed"
            results.append(f"{target.ratio:g}x {column}{extra}: {word}")
    return "; ".join(results)


def _within(line: Line, column: str, target: Target) -> bool:
    """Compare the median ratio, or the values themselves if the target has an offset."""
    if not target.plus and column in line.ratios:
        return line.ratios[column].median <= target.ratio
    limit = target.ratio * line.figures[column].median + target.plus
    return line.figures[OURS].median <= limit


def plain(cells: Cells) -> str:
    """A table as plain text."""
    widths = [max(len(row[index]) for row in cells) for index in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def markdown(cells: Cells) -> str:
    """A table in Markdown."""
    head, *body = cells
    rows = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def remarks(case: Case, lines: Sequence[Line]) -> list[str]:
    """Notes below a table: agreement of the results, and libraries that were not measured."""
    apart = [line.apart for line in lines if line.apart is not None]
    notes = []
    if case.tolerance is None:
        notes.append("Results are random and were not compared.")
    elif apart:
        notes.append(
            f"Largest relative difference between results: {max(apart):.1e} "
            f"(tolerance {case.tolerance:.0e})."
        )
    return notes + _not_measured(lines)


def _not_measured(lines: Sequence[Line]) -> list[str]:
    """The libraries that were not measured, with reasons, and the rows if only some are
    affected."""
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
    return [f"Not measured: {column} ({', '.join(why)})." for column, why in by_column.items()]


def section(case: Case, record: Record) -> str:
    """The section of a case: title, table and notes."""
    lines = record.lines
    parts = [f"### {record.title}", f"`python -m benchmarks {case.name}`"]
    return "\n\n".join([*parts, markdown(table(case, lines)), " ".join(remarks(case, lines))])


def headlines(cases: Mapping[str, Case], records: Mapping[str, Record]) -> list[Headline]:
    """The measurements in the README and in the chart."""
    return [
        Headline(case, line)
        for case in cases.values()
        if case.headline and case.name in records
        for line in records[case.name].lines
        if line.metric != "calls" and line.ratios
    ]


def overview(cases: Mapping[str, Case], records: Mapping[str, Record]) -> str:
    """The table of the README: ratios of Lamina to each library."""
    lines = headlines(cases, records)
    named = dict.fromkeys(column for case in cases.values() for column in case.contenders)
    columns = [c for c in named if ":" not in c and any(c in x.line.ratios for x in lines)]
    cells = [["", OURS, *(f"over {column}" for column in columns)]]
    for headline in lines:
        ratios = [headline.line.ratios.get(column) for column in columns]
        own, unit = headline.line.figures[OURS], METRICS[headline.line.metric].unit
        ratio_cells = ["" if ratio is None else times(ratio.median) for ratio in ratios]
        cells.append([headline.title, text(own.median, unit), *ratio_cells])
    return "\n\n".join(
        [markdown(cells), *machines({x.case.name: records[x.case.name] for x in lines})]
    )


def machines(records: Mapping[str, Record]) -> list[str]:
    """The machines of the records, with the names of the cases if there are several machines."""
    cases: dict[str, list[str]] = {}
    for name, record in records.items():
        facts = ", ".join(f"{name} {value}" for name, value in record.machine.items())
        cases.setdefault(facts, []).append(name)
    if len(cases) == 1:
        return [f"Measured with {facts}." for facts in cases]
    return [f"Measured with {facts}: {', '.join(names)}." for facts, names in cases.items()]


def shares(lines: Iterable[Line]) -> str:
    """A breakdown table: the time of each row, and its share of the first row."""
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
    """Replace the section of a page between ``<!-- name:begin -->`` and ``<!-- name:end -->``.

    Raises:
        ValueError: the page does not contain both markers exactly once, in this order.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    page = path.read_text("utf-8")
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed or begin in rest or end in after:
        raise ValueError(f"{path} must contain {begin} and then {end} exactly once.")
    path.write_text(f"{before}{begin}\n\n{content}\n\n{end}{after}", encoding="utf-8")
