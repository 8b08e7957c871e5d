"""Plots of the metrics of a training run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    LogLocator,
    MaxNLocator,
    NullLocator,
    PercentFormatter,
    StrMethodFormatter,
)
from numpy.typing import NDArray

from lamina.errors import InputError, explain
from lamina.plots.figures import ACCENT, GRID, INK, PALE, Plot, finish
from lamina.plots.texts import shown, style_of

__all__ = ["plot_history"]

_TRAINING, _VALIDATION = ACCENT, "#e07b39"
_SCORES = ("bleu", "chrf")  # in [0, 100]
_NO_FRACTIONS = (*_SCORES, "lr", "learning_rate")
_MOST_MARKERS = 40
_COLUMNS = 3
_MOST_PANELS = 60
_LARGEST = 1e300  # the difference of two values must be finite, also with margins


def plot_history(
    history: Mapping[str, Sequence[float]],
    path: str | os.PathLike[str] | None = None,
    *,
    best: Mapping[str, str] | None = None,
    first_epoch: int = 1,
) -> Figure:
    """Plot the metrics of a training run, one panel per metric.

    A metric and its ``val_`` counterpart share a panel; losses come first. A loss that decreases by
    more than a factor of 10 has a logarithmic axis. Metrics in [0, 1] are shown as percentages,
    unless lower ones are better. If one curve of a panel has fewer values, they are spread over the
    same epochs. A ring marks the best epoch, of the validation where there is one.

    Args:
        history: values per epoch by metric name, as in ``History.history``.
        path: output file ending in ``.svg``, ``.png`` or ``.pdf``; an existing file is replaced.
            Default None: none.
        best: ``"min"`` or ``"max"`` for metrics by name, without ``val_``, whichever is better.
            Default None: ``"min"`` for losses. A metric without it has no ring.
        first_epoch: the number of the first epoch. Default 1.

    Returns:
        A ``matplotlib.figure.Figure``.

    Raises:
        InputError: ``history`` contains no values, or the path has another ending.
    """
    series = {name: array for name, values in history.items() if len(array := _numbers(values))}
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
    measures = measures[:_MOST_PANELS]
    columns = min(_COLUMNS, len(measures))
    rows = -(-len(measures) // columns)
    figure = Plot(figsize=(5.6 * columns, 3.9 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, measure in zip(grid, measures, strict=False):
        better = (best or {}).get(measure, "min" if "loss" in measure else "")
        _draw_measure(axes, measure, series, better, first_epoch)
    for axes in grid[len(measures) :]:
        axes.set_axis_off()
    return finish(figure, path)


def _numbers(values: Any) -> NDArray[np.float64]:
    """The values as numbers; none if they are of another kind, such as vectors."""
    try:
        array = np.asarray(values, float)
    except (TypeError, ValueError):
        return np.empty(0)
    if array.ndim != 1:
        return np.empty(0)
    return np.where(np.abs(array) > _LARGEST, np.copysign(np.inf, array), array)


def _draw_measure(
    axes: Axes, measure: str, series: Mapping[str, NDArray[np.float64]], better: str, first: int
) -> None:
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
    may_be_fraction = better != "min" and measure not in _NO_FRACTIONS and known.size > 0
    is_fraction = may_be_fraction and 0 <= known.min() <= known.max() <= 1
    form = "{:.2%}" if is_fraction else "{:.3g}"
    for label, color, values in curves:
        axes.plot(
            _epochs_of(values, epochs, first),
            values,
            color=color,
            linewidth=2,
            marker="o" if epochs <= _MOST_MARKERS else "",
            markersize=4,
            label=f"{label}, last {form.format(values[-1])}",
        )
    _mark_best(axes, curves[-1][2], better, form, epochs, first)
    _style_axes(axes, shown(measure.replace("_", " ")))
    if is_fraction:
        axes.set_ylim(0, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    elif measure in _SCORES:
        axes.set_ylim(bottom=0)
    elif known.size and known.min() > 0 and known.max() > 10 * known.min():
        axes.set_yscale("log")
        axes.set_ylabel(f"{axes.get_ylabel()} (log scale)")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _epochs_of(values: NDArray[np.float64], epochs: int, first: int) -> NDArray[np.float64]:
    return np.linspace(epochs / len(values), epochs, len(values)) + (first - 1)


def _mark_best(
    axes: Axes,
    values: NDArray[np.float64],
    better: str,
    form: str,
    epochs: int,
    first: int,
) -> None:
    finite = np.isfinite(values)
    if better not in ("min", "max") or not finite.any():
        return
    worst = np.inf if better == "min" else -np.inf
    known = np.where(finite, values, worst)
    at = int(known.argmin() if better == "min" else known.argmax())
    epoch = _epochs_of(values, epochs, first)[at]
    axes.axvline(epoch, color=PALE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.plot(
        [epoch],
        [values[at]],
        marker="o",
        markersize=11,
        markerfacecolor="none",
        markeredgecolor=INK,
        markeredgewidth=1.4,
        linestyle="",
        label=f"best {form.format(values[at])}, epoch {epoch:g}",
    )


def _style_axes(axes: Axes, name: str) -> None:
    axes.set_title(name, loc="left", color=INK, **style_of(name, bold=True))
    axes.set_xlabel("epoch", color=INK)
    axes.set_ylabel(name, color=INK, **style_of(name))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(PALE)
    axes.tick_params(colors=INK, length=3)
    axes.legend(frameon=False, labelcolor=INK)
