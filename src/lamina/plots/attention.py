"""Heat maps of attention weights."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from lamina.errors import InputError, explain
from lamina.plots.figures import ATTENTION, INK, PALE, Plot, finish
from lamina.plots.labels import Label, Text, labels_of

__all__ = ["draw_attention", "plot_attention"]

# Sizes of the figure, in inches.
_CELL, _GAP, _MARGIN, _HEAD, _WIDEST, _TITLE = 0.2, 0.4, 0.35, 0.8, 13.5, 0.26


@dataclass(frozen=True)
class _Panel:
    across: list[Label]
    down: list[Label]
    weights: NDArray[np.float64]
    title: str = ""


def plot_attention(
    weights: ArrayLike,
    source: Text | Sequence[Text],
    target: Text | Sequence[Text],
    path: str | os.PathLike[str] | None = None,
    *,
    fonts: Sequence[str] | None = None,
) -> Figure:
    """Plot attention weights as heat maps, one for each head and example.

    Rows are the target, columns the source in reading order. Text in Arabic or Hebrew also starts
    at the left. A space is shown as an open box. A character that no font has is shown as its code
    point, such as ``U+5E74``; the extra ``plot`` installs fonts for Chinese, Japanese, Korean,
    Devanagari and Thai.

    Args:
        weights: an array in [0, 1], ``[target time, source time]``, ``[heads, target time, source
            time]`` or ``[batch, heads, target time, source time]``. Additional rows and columns,
            such as those of padding, are not shown.
        source: a string, labeled by its characters, or a sequence of tokens; of a batch, one for
            each example.
        target: the same for the rows.
        path: output file ending in ``.svg``, ``.png`` or ``.pdf``; an existing file is replaced.
            Default None: none.
        fonts: font families in order of preference. Default None: all installed.

    Returns:
        A ``matplotlib.figure.Figure``, which a notebook shows.

    Raises:
        InputError: a text is empty, the weights are not finite or do not fit the texts, or the path
            has another ending.
        ImportError: matplotlib is not installed; the error names the extra.

    >>> import lamina
    >>> weights = [[0.9, 0.1], [0.2, 0.8]]
    >>> figure = lamina.plot_attention(weights, ["two", "cats"], ["deux", "chats"])
    >>> len(figure.axes)
    2
    """
    array = np.asarray(weights, float)
    if array.ndim not in (2, 3, 4):
        raise InputError(
            explain(
                "The attention weights cannot be plotted.",
                expected="an array of 2, 3 or 4 axes: [batch, heads, target time, source time]",
                received=f"an array of shape {list(array.shape)}",
                remedy="Pass the weights of one example: weights[0], for example.",
            )
        )
    batch = array.reshape((1,) * (4 - array.ndim) + array.shape)
    sources: Any = source if array.ndim == 4 else [source]
    targets: Any = target if array.ndim == 4 else [target]
    if (
        isinstance(sources, str)
        or isinstance(targets, str)
        or not (len(sources) == len(targets) == len(batch))
    ):
        raise InputError(
            explain(
                "The texts do not fit the batch of attention weights.",
                expected=f"{len(batch)} sources and {len(batch)} targets, each a string or a list",
                received=f"{len(sources)} and {len(targets)}",
                remedy="Pass lists with one text for each example.",
            )
        )
    panels: list[_Panel] = []
    for number, heads in enumerate(batch):
        pair = sources[number], targets[number]
        titles = [f"example {number + 1}"] if len(batch) > 1 else []
        for head, one in enumerate(heads):
            words = [*titles, *([f"head {head + 1}"] if len(heads) > 1 else [])]
            panels.append(_panel(*pair, one, fonts, ", ".join(words)))
    return finish(_figure(panels, "columns: source, in reading order · rows: target"), path)


def draw_attention(
    examples: Sequence[tuple[Text, Text, ArrayLike]],
    path: str | os.PathLike[str] | None = None,
    *,
    fonts: Sequence[str] | None = None,
) -> Figure:
    """Plot attention weights of several texts as heat maps in one figure.

    Args:
        examples: tuples of source text, output text and weights ``[target time, source time]``, as
            those of :func:`plot_attention`.
        path: output file, as that of :func:`plot_attention`.
        fonts: font families in order of preference. Default: all installed.

    Raises:
        InputError: there is no example, a text is empty, or weights are missing or not finite.
    """
    panels = [_panel(source, output, weights, fonts) for source, output, weights in examples]
    return finish(_figure(panels, "columns: source, in reading order · rows: output"), path)


def _panel(
    source: Text,
    target: Text,
    weights: ArrayLike,
    fonts: Sequence[str] | None,
    title: str = "",
) -> _Panel:
    array = np.asarray(weights, float)
    rows, columns = len(target), len(source)
    fits = array.ndim == 2 and array.shape[0] >= rows > 0 and array.shape[1] >= columns > 0
    if not fits or not np.isfinite(array[:rows, :columns]).all():
        raise InputError(
            explain(
                f"The attention from {str(target)[:60]!r} to {str(source)[:60]!r} cannot be "
                "plotted.",
                expected=f"non-empty texts, finite weights of shape [>= {rows}, >= {columns}]",
                received=f"an array of shape {list(array.shape)}",
                remedy="Pass one row per output token and one column per source token.",
            )
        )
    across, down = labels_of(source, fonts), labels_of(target, fonts)
    return _Panel(across, down, array[:rows, :columns], title)


def _figure(panels: Sequence[_Panel], caption: str) -> Figure:
    if not panels:
        raise InputError(
            explain(
                "There are no examples to plot.",
                expected="at least one example",
                received="none",
                remedy="Pass (source text, output text, weights) for each example.",
            )
        )
    places, width, height = _arrange(panels)
    figure = Plot(figsize=(width, height))
    for (left, top), panel in zip(places, panels, strict=True):
        high, wide = np.multiply(panel.weights.shape, _CELL)
        bottom = height - top - high
        axes = figure.add_axes((left / width, bottom / height, wide / width, high / height))
        _draw_panel(axes, panel)
        if panel.title:
            up = top - _room(panel) - _TITLE / 2
            figure.text(
                left / width, 1 - up / height, panel.title, fontsize=9, color=INK, va="center"
            )
    _draw_head(figure, width, height, caption)
    return figure


def _room(panel: _Panel) -> float:
    return max(label.room for label in panel.across)


def _arrange(panels: Sequence[_Panel]) -> tuple[list[tuple[float, float]], float, float]:
    """Arrange panels in lines: left and top of each panel, then width and height of the figure, in
    inches."""
    places: list[tuple[float, float]] = []
    left, top, line, right = _MARGIN, _HEAD, 0.0, 6.5
    for panel in panels:
        high, broad = np.multiply(panel.weights.shape, _CELL)
        # 1.5 cells are enough for labels of single characters.
        beside = max([1.5 * _CELL, *(label.room for label in panel.down if label.is_token)])
        wide = beside + max(broad, 0.07 * len(panel.title))
        if left > _MARGIN and left + wide > _WIDEST:
            left, top, line = _MARGIN, top + line + _GAP, 0.0
        room = _room(panel) + (_TITLE if panel.title else 0)
        places.append((left + beside, top + room))
        line = max(line, room + high)
        left += wide + _GAP
        right = max(right, left - _GAP)
    return places, right + _MARGIN, top + line + _MARGIN


def _draw_panel(axes: Axes, panel: _Panel) -> None:
    axes.pcolormesh(
        panel.weights, cmap=ATTENTION, vmin=0, vmax=1, edgecolors="white", linewidth=0.8
    )
    axes.invert_yaxis()
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=2.5)
    axes.spines[:].set_visible(False)
    across, down = panel.across, panel.down
    axes.set_xticks(np.arange(len(across)) + 0.5, [label.text for label in across])
    axes.set_yticks(np.arange(len(down)) + 0.5, [label.text for label in down])
    drawn = [*axes.get_xticklabels(), *axes.get_yticklabels()]
    for label, one in zip([*across, *down], drawn, strict=True):
        one.set_parse_math(False)
        one.set_fontfamily(label.fonts)
        one.set_fontsize(label.size)
        one.set_color(PALE if label.is_pale else INK)
    for label, one in zip(across, axes.get_xticklabels(), strict=True):
        one.set_rotation(0 if len(label.text) == 1 else 90)


def _draw_head(figure: Figure, width: float, height: float, caption: str) -> None:
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
        color=INK,
        va="center",
    )
    figure.text(across(_MARGIN), up(0.57), caption, fontsize=8.5, color=PALE, va="center")
    scale = figure.add_axes((across(width - _MARGIN - 1.2), up(0.42), across(1.2), 0.1 / height))
    scale.pcolormesh(np.linspace(0, 1, 64)[None], cmap=ATTENTION)
    scale.set_xticks([0, 64], ["0", "1"], fontsize=8, color=PALE)
    scale.set_yticks([])
    scale.set_title("attention", fontsize=8, color=PALE, pad=3)
    scale.tick_params(length=0, pad=2)
    scale.spines[:].set_visible(False)
