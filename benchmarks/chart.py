"""A chart of the headline cases: ratios of Lamina to each library, on a logarithmic axis."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

from benchmarks.case import Case
from benchmarks.pages import headlines
from benchmarks.records import Record

__all__ = ["draw"]


def draw(cases: Mapping[str, Case], records: Mapping[str, Record], path: Path) -> None:
    """Draw the chart. Left of 1, Lamina needs less time or memory than the other library."""
    lines = headlines(cases, records)
    columns = [column for _, line in lines for column in line.ratios if ":" not in column]
    columns = list(dict.fromkeys(columns))
    figure, axes = plt.subplots(figsize=(9, 1.5 + 0.5 * len(lines)), layout="constrained")
    for index, column in enumerate(columns):
        shift = 0.6 * (index + 0.5) / len(columns) - 0.3  # offset, so that points do not overlap
        shown = [(y, x.line.ratios.get(column)) for y, x in enumerate(lines)]
        points = [(ratio, y + shift) for y, ratio in shown if ratio is not None]
        axes.errorbar(
            [ratio.median for ratio, _ in points],
            [y for _, y in points],
            xerr=[
                [ratio.median - ratio.low for ratio, _ in points],
                [ratio.high - ratio.median for ratio, _ in points],
            ],
            fmt="o",
            label=column,
        )
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(lines)), [textwrap.fill(shown.title, 50) for shown in lines])
    axes.invert_yaxis()
    axes.grid(axis="x", which="both", alpha=0.3)
    axes.set_xlabel("Lamina / other library (less than 1: Lamina needs less)")
    figure.legend(loc="outside upper center", ncols=len(columns), fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
