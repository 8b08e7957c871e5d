"""Curves: values over steps, epochs and time, and as many points of them as a page can draw."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Any, Literal, TypeAlias

import numpy as np

__all__ = ["Axis", "Curve"]

Axis: TypeAlias = Literal["step", "epoch", "time"]
"""What the horizontal axis is."""

NONE = float("nan")
"""An unknown step, epoch or time."""


class Curve:
    """The values of one log, in the order in which they were written.

    >>> curve = Curve()
    >>> for step in range(4):
    ...     curve.add(step, 0.0, 0.0, step * 10.0)
    >>> curve.points("step", 2)
    {'x': [0.5, 2.5], 'y': [5.0, 25.0], 'low': [0.0, 20.0], 'high': [10.0, 30.0]}
    """

    def __init__(self) -> None:
        self._steps, self._epochs, self._times = array("d"), array("d"), array("d")
        self._values = array("d")

    def __len__(self) -> int:
        return len(self._values)

    def add(self, step: float, epoch: float, time: float, value: float) -> None:
        """Add a value; a step, an epoch or a time may be NaN if it is unknown."""
        self._steps.append(step)
        self._epochs.append(epoch)
        self._times.append(time)
        self._values.append(value)

    def drop_after(self, step: float) -> None:
        """Remove the values after a step."""
        kept = bisect_right(self._steps, step)
        for numbers in (self._steps, self._epochs, self._times, self._values):
            del numbers[kept:]

    def points(self, axis: Axis, most: int) -> dict[str, Any]:
        """Return at most `most` points.

        Of a longer curve, each point stands for a range of the axis: the mean of its finite values,
        with the lowest and the highest one as ``low`` and ``high``, so that no peak is lost.

        Args:
            axis: the horizontal axis.
            most: the largest number of points.

        Returns:
            Lists ``x`` and ``y``, also ``low`` and ``high`` if points stand for ranges; and the
            number ``nonfinite`` of the values that are left out, if there are any.
        """
        axes = {"step": self._steps, "epoch": self._epochs, "time": self._times}
        x, y = np.array(axes[axis]), np.array(self._values)
        known = np.isfinite(x)
        x, y = x[known], y[known]
        finite = np.isfinite(y)
        left_out = int(y.size - finite.sum())
        x, y = x[finite], y[finite]
        found = {"x": x.tolist(), "y": y.tolist()} if y.size <= most else _in_ranges(x, y, most)
        return found | ({"nonfinite": left_out} if left_out else {})


def _in_ranges(x: np.ndarray, y: np.ndarray, most: int) -> dict[str, Any]:
    place = (x - x.min()) / (np.ptp(x) or 1.0) * most
    starts = np.flatnonzero(np.diff(np.minimum(place.astype(int), most - 1), prepend=-1))
    if starts.size > most:  # the axis goes back and forth
        starts = np.linspace(0, x.size, most, endpoint=False).astype(int)
    counts = np.diff(starts, append=x.size)
    _, exponent = np.frexp(np.abs(y).max())  # the sum of large values stays finite
    return {
        "x": (np.add.reduceat(x, starts) / counts).tolist(),
        "y": np.ldexp(np.add.reduceat(np.ldexp(y, -exponent), starts) / counts, exponent).tolist(),
        "low": np.minimum.reduceat(y, starts).tolist(),
        "high": np.maximum.reduceat(y, starts).tolist(),
    }
