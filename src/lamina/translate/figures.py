"""Plots of a training run: metric curves and attention weights.

Plots are drawn on an Agg canvas in memory, without pyplot and without changing the backend.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import (
    LogLocator,
    MaxNLocator,
    NullLocator,
    PercentFormatter,
    StrMethodFormatter,
)
from numpy.typing import ArrayLike, NDArray

from lamina.errors import InputError, explain
from lamina.translate.labels import Text, labels_of

__all__ = ["draw_attention", "draw_training"]

_INK, _PALE, _GRID = "#1f2933", "#7b8794", "#e4e7eb"
_TRAINING, _VALIDATION = "#1f5fa8", "#e07b39"
_ATTENTION = LinearSegmentedColormap.from_list(
    "attention", ["#f1f4f8", "#a9cbe8", "#3f84c4", "#1c4a86", "#0c2448"]
)
_DPI = 150
_SCORES = ("bleu", "chrf")  # in [0, 100]

# Sizes of the attention figure, in inches.
_CELL, _GAP, _MARGIN, _HEAD, _WIDEST = 0.2, 0.4, 0.35, 0.8, 13.5


def draw_training(history: Mapping[str, Sequence[float]], path: str | os.PathLike[str]) -> None:
    """Write the metric curves of a training run to a PNG file, one panel per metric.

    A metric and its ``val_`` counterpart share a panel; losses come first. A loss that decreases by
    more than a factor of 10 has a logarithmic axis. Metrics in [0, 1] are shown as percentages. If
    one curve of a panel has fewer values, they are spread over the same epochs.

    Args:
        history: values per epoch by metric name, as in ``History.history``.
        path: output file; an existing file is replaced.

    Raises:
        InputError: ``history`` contains no values.
    """
    series = {name: np.asarray(values, float) for name, values in history.items() if len(values)}
    if not series:
        raise InputError(
            explain(
                "The history contains no values to plot.",
                expected="a history with a list of numbers for each metric",
                received=repr(dict(history))[:60],
                remedy="Pass History.history after at least one epoch.",
            )
        )
    measures = list(dict.fromkeys(name.removeprefix("val_") for name in series))
    measures.sort(key=lambda name: "loss" not in name)
    columns = min(3, len(measures))
    rows = -(-len(measures) // columns)
    figure = Figure(figsize=(5.6 * columns, 3.9 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, measure in zip(grid, measures, strict=False):
        _draw_measure(axes, measure, series)
    for axes in grid[len(measures) :]:
        axes.set_axis_off()
    _save(figure, path)


def draw_attention(
    examples: Sequence[tuple[Text, Text, ArrayLike]],
    path: str | os.PathLike[str],
    *,
    fonts: Sequence[str] | None = None,
) -> None:
    """Write heat maps of attention weights to a PNG file.

    Columns are the source characters or tokens in reading order; Arabic also starts at the left,
    with isolated letters. Rows are the output. A space is shown as an open box. A character without
    a glyph in any font is shown as its code point, such as ``U+5E74``.

    Args:
        examples: tuples of source text, output text and weights ``[target time, source time]`` in
            [0, 1]. A text is a string, labeled by its characters, or a sequence of tokens.
            Additional rows and columns, such as those of end tokens, are not shown.
        path: output file; an existing file is replaced.
        fonts: font families in order of preference. Default: all installed.

    Raises:
        InputError: there is no example, a text is empty, or weights are missing or not finite.
    """
    if not examples:
        raise InputError(
            explain(
                "There are no examples to plot.",
                expected="at least one example",
                received="none",
                remedy="Pass (source text, output text, weights) for each example.",
            )
        )
    panels = [(source, output, _weights(source, output, w)) for source, output, w in examples]
    places, width, height = _arrange([(source, output) for source, output, _ in panels], fonts)
    figure = Figure(figsize=(width, height))
    for (left, top), (source, output, weights) in zip(places, panels, strict=True):
        high, wide = np.multiply(weights.shape, _CELL)
        bottom = height - top - high
        axes = figure.add_axes((left / width, bottom / height, wide / width, high / height))
        _draw_panel(axes, source, output, weights, fonts)
    _draw_head(figure, width, height)
    _save(figure, path)


def _draw_measure(axes: Axes, measure: str, series: Mapping[str, NDArray[np.float64]]) -> None:
    curves = [
        (label, color, series[name])
        for name, label, color in (
            (measure, "training", _TRAINING),
            (f"val_{measure}", "validation", _VALIDATION),
        )
        if name in series
    ]
    epochs = max(len(values) for _, _, values in curves)
    known = np.concatenate([values[np.isfinite(values)] for _, _, values in curves])
    may_be_fraction = "loss" not in measure and measure not in _SCORES and known.size > 0
    is_fraction = may_be_fraction and 0 <= known.min() <= known.max() <= 1
    for label, color, values in curves:
        at = np.linspace(epochs / len(values), epochs, len(values))
        last = f"{values[-1]:.2%}" if is_fraction else f"{values[-1]:.3g}"
        marker = "o" if epochs <= 40 else ""
        axes.plot(
            at,
            values,
            color=color,
            linewidth=2,
            marker=marker,
            markersize=4,
            label=f"{label}, last {last}",
        )
    _style_axes(axes, measure.replace("_", " "))
    if is_fraction:
        axes.set_ylim(0, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    elif measure in _SCORES:
        axes.set_ylim(bottom=0)
    elif known.size and known.min() > 0 and known.max() > 10 * known.min():
        axes.set_yscale("log")
        axes.set_ylabel(f"{measure.replace('_', ' ')} (log scale)")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _style_axes(axes: Axes, name: str) -> None:
    axes.set_title(name, loc="left", fontweight="bold", color=_INK)
    axes.set_xlabel("epoch", color=_INK)
    axes.set_ylabel(name, color=_INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color=_GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_PALE)
    axes.tick_params(colors=_INK, length=3)
    axes.legend(frameon=False, labelcolor=_INK)


def _weights(source: Text, output: Text, weights: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(weights, float)
    rows, columns = len(output), len(source)
    fits = array.ndim == 2 and array.shape[0] >= rows > 0 and array.shape[1] >= columns > 0
    if not fits or not np.isfinite(array[:rows, :columns]).all():
        raise InputError(
            explain(
                f"The attention from {output!r} to {source!r} cannot be plotted.",
                expected=f"non-empty texts, finite weights of shape [>= {rows}, >= {columns}]",
                received=f"an array of shape {list(array.shape)}",
                remedy="Pass one row per output token and one column per source token.",
            )
        )
    return array[:rows, :columns]


def _arrange(
    texts: Sequence[tuple[Text, Text]], fonts: Sequence[str] | None
) -> tuple[list[tuple[float, float]], float, float]:
    """Arrange panels in lines: left and top of each panel, then width and height of the figure, in
    inches."""
    places: list[tuple[float, float]] = []
    left, top, line, right = _MARGIN, _HEAD, 0.0, 6.5
    for source, output in texts:
        # 1.5 cells are enough for labels of single characters.
        beside = max([1.5 * _CELL, *(one.room for one in labels_of(output, fonts) if one.is_token)])
        wide = beside + _CELL * len(source)
        if left > _MARGIN and left + wide > _WIDEST:
            left, top, line = _MARGIN, top + line + _GAP, 0.0
        room = max(label.room for label in labels_of(source, fonts))
        places.append((left + beside, top + room))
        line = max(line, room + _CELL * len(output))
        left += wide + _GAP
        right = max(right, left - _GAP)
    return places, right + _MARGIN, top + line + _MARGIN


def _draw_panel(
    axes: Axes,
    source: Text,
    output: Text,
    weights: NDArray[np.float64],
    fonts: Sequence[str] | None,
) -> None:
    axes.pcolormesh(weights, cmap=_ATTENTION, vmin=0, vmax=1, edgecolors="white", linewidth=0.8)
    axes.invert_yaxis()
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=2.5)
    axes.spines[:].set_visible(False)
    across, down = labels_of(source, fonts), labels_of(output, fonts)
    axes.set_xticks(np.arange(len(across)) + 0.5, [label.for_matplotlib for label in across])
    axes.set_yticks(np.arange(len(down)) + 0.5, [label.for_matplotlib for label in down])
    drawn = [*axes.get_xticklabels(), *axes.get_yticklabels()]
    for label, one in zip([*across, *down], drawn, strict=True):
        one.set_fontfamily([label.font])
        one.set_fontsize(label.size)
        one.set_color(_PALE if label.is_pale else _INK)
    for label, one in zip(across, axes.get_xticklabels(), strict=True):
        one.set_rotation(0 if len(label.text) == 1 else 90)


def _draw_head(figure: Figure, width: float, height: float) -> None:
    def across(inches: float) -> float:
        return inches / width

    def up(inches_from_top: float) -> float:
        return 1 - inches_from_top / height

    figure.text(
        across(_MARGIN),
        up(0.33),
        "Attention of each output character or token",
        fontsize=13,
        fontweight="bold",
        color=_INK,
        va="center",
    )
    figure.text(
        across(_MARGIN),
        up(0.57),
        "columns: source, in reading order · rows: output",
        fontsize=8.5,
        color=_PALE,
        va="center",
    )
    scale = figure.add_axes((across(width - _MARGIN - 1.2), up(0.42), across(1.2), 0.1 / height))
    scale.pcolormesh(np.linspace(0, 1, 64)[None], cmap=_ATTENTION)
    scale.set_xticks([0, 64], ["0", "1"], fontsize=8, color=_PALE)
    scale.set_yticks([])
    scale.set_title("attention", fontsize=8, color=_PALE, pad=3)
    scale.tick_params(length=0, pad=2)
    scale.spines[:].set_visible(False)


def _save(figure: Figure, path: str | os.PathLike[str]) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=_DPI, facecolor="white", format="png")
