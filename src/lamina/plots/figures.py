"""Figures of matplotlib, drawn without pyplot and without changing the backend or the settings."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import Any, cast

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from lamina.errors import InputError, explain

__all__ = ["ACCENT", "ATTENTION", "DPI", "GRID", "INK", "PALE", "Plot", "finish"]

INK, PALE, GRID, ACCENT = "#1f2933", "#7b8794", "#e4e7eb", "#1f5fa8"
ATTENTION = LinearSegmentedColormap.from_list(
    "attention", ["#f1f4f8", "#a9cbe8", "#3f84c4", "#1c4a86", "#0c2448"]
)
DPI = 150
_FORMATS = ("svg", "png", "pdf")
_IN_NOTEBOOKS = 150
_LONGEST_SIDE, _MOST_PIXELS = 60_000, 100_000_000


class Plot(Figure):
    """A figure that a notebook shows, whether pyplot is in use or not."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Return a PNG file with twice the pixels that it is shown at, for fine screens."""
        width, height = self.get_size_inches()
        dpi = min(_IN_NOTEBOOKS, self.get_dpi())
        buffer = io.BytesIO()
        self.savefig(buffer, dpi=dpi, facecolor="white", format="png")
        size = {"width": round(width * dpi / 2), "height": round(height * dpi / 2)}
        return buffer.getvalue(), size


def finish(figure: Figure, path: str | os.PathLike[str] | None, dpi: float = DPI) -> Figure:
    """Write a figure to a file, unless the path is None, and return it.

    A picture of pixels that would be too large is written with fewer dots per inch.

    Args:
        figure: the figure.
        path: a file ending in ``.svg``, ``.png`` or ``.pdf``; an existing file is replaced.
        dpi: dots per inch, a positive number.

    Raises:
        InputError: the path has another ending, or `dpi` is not a positive number.
    """
    if not isinstance(cast(Any, dpi), int | float) or not 0 < dpi < math.inf:
        raise InputError(
            explain(
                "The number of dots per inch is not valid.",
                expected="a positive number as dpi",
                received=repr(dpi)[:60],
                remedy="Omit it for 200.",
            )
        )
    FigureCanvasAgg(figure)
    width, height = figure.get_size_inches()
    largest = min(_LONGEST_SIDE / max(width, height), (_MOST_PIXELS / (width * height)) ** 0.5)
    figure.set_dpi(max(min(dpi, largest), 1 / min(width, height)))  # one dot, at least
    if path is None:
        return figure
    figure.savefig(path, dpi=figure.get_dpi(), facecolor="white", format=_format_of(path))
    return figure


def _format_of(path: str | os.PathLike[str]) -> str:
    ending = Path(path).suffix[1:].lower()
    if ending not in _FORMATS:
        raise InputError(
            explain(
                f"No plot can be written to {os.fspath(path)!r}.",
                expected="a file name that ends in .svg, .png or .pdf",
                received=f".{ending}" if ending else "no ending",
                remedy="Name the file plot.svg, for example.",
            )
        )
    return ending
