"""Statistics of samples: median and quartiles of values and of ratios."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median, quantiles
from typing import NamedTuple

__all__ = ["Figure", "figure", "ratio", "text", "times"]


class Figure(NamedTuple):
    """Median, lower and upper quartile, and number of samples."""

    median: float
    low: float
    high: float
    runs: int

    @property
    def spread(self) -> float:
        """Interquartile range, relative to the median."""
        return (self.high - self.low) / self.median if self.median else 0.0


def figure(samples: Sequence[float]) -> Figure:
    """The statistics of samples.

    >>> figure([3.0, 1.0, 2.0])
    Figure(median=2.0, low=1.5, high=2.5, runs=3)
    """
    if len(samples) == 1:
        return Figure(samples[0], samples[0], samples[0], 1)
    low, _, high = quantiles(samples, n=4, method="inclusive")
    return Figure(median(samples), low, high, len(samples))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    """The statistics of the ratios in each round. A slow round affects both sides and cancels.

    >>> ratio([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]).median
    0.5
    """
    pairs = zip(ours, theirs, strict=True)
    return figure([one / other if other else math.inf for one, other in pairs])


def text(value: float, unit: str) -> str:
    """Format a value with a suitable unit prefix.

    >>> text(0.0000312, "s"), text(403e6, "bytes"), text(1234, "calls")
    ('31.2 us', '403 MB', '1,234')
    """
    if unit == "calls":
        return f"{value:,.0f}"
    scales = {
        "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")),
        "bytes": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")),
    }[unit]
    scale, name = next((pair for pair in scales if abs(value) >= pair[0]), scales[-1])
    return f"{value / scale:.3g} {name}" if value / scale < 1000 else f"{value / scale:,.0f} {name}"


def times(ratio: float) -> str:
    """Format a ratio.

    >>> times(0.62), times(0.0042), times(12.3)
    ('0.62x', '0.0042x', '12.3x')
    """
    return f"{ratio:.3g}x" if ratio >= 10 else f"{ratio:.2f}x" if ratio >= 0.1 else f"{ratio:.2g}x"
