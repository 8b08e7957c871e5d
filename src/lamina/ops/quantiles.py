"""Approximate quantiles of data that come in batches, from a summary of bounded size."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Summary", "boundaries", "merged", "summary_of"]


class Summary(NamedTuple):
    """Values in ascending order, each with the number of data that it stands for."""

    values: NDArray[np.float32]
    counts: NDArray[np.float32]

    @classmethod
    def empty(cls) -> Summary:
        """The summary of no data."""
        return cls(np.zeros(0, "float32"), np.zeros(0, "float32"))


def summary_of(data: NDArray[np.float32], epsilon: float) -> Summary:
    """Summarize data by about ``1 / epsilon`` of its values, at equal steps of rank.

    Args:
        data: array of numbers, of any shape.
        epsilon: float in (0, 1), error of the quantiles.

    Returns:
        The summary.

    >>> summary_of(np.arange(6, dtype="float32"), 0.34).values.tolist()
    [1.0, 3.0, 5.0]
    """
    ordered = np.sort(data, axis=None)
    step = max(ordered.size * epsilon, 1.0)
    values = ordered[int(step - 1) :: int(step)]
    return Summary(values, np.full(values.shape, step, "float32"))


def merged(one: Summary, other: Summary, epsilon: float) -> Summary:
    """Join the summaries of two sets of data, and compress the result.

    >>> merged(summary_of(np.ones(1, "float32"), 0.1), Summary.empty(), 0.1).counts.tolist()
    [1.0]
    """
    values, counts = (np.concatenate(pair) for pair in zip(one, other, strict=True))
    order = np.argsort(values)
    return _compressed(Summary(values[order], counts[order]), epsilon)


def boundaries(summary: Summary, bins: int) -> list[float]:
    """Return the boundaries that divide the data of a summary into bins of about equal counts.

    >>> boundaries(summary_of(np.arange(100, dtype="float32"), 0.01), 4)
    [24.0, 49.0, 74.0]
    """
    return _compressed(summary, 1.0 / bins).values[:-1].tolist()


def _compressed(summary: Summary, epsilon: float) -> Summary:
    """Interpolate a summary at equal steps of rank, if it has more values than these."""
    if len(summary.values) * epsilon < 1:
        return summary
    totals = summary.counts.cumsum()
    ranks = totals / totals[-1]
    wanted = epsilon + np.arange(0.0, 1.0, epsilon)
    values = np.interp(wanted, ranks, summary.values)
    counts = np.diff(np.interp(wanted, ranks, totals), prepend=0)
    return Summary(values.astype("float32"), counts.astype("float32"))
