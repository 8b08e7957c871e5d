"""Comparison of the results of different libraries."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Arrays", "arrays_of", "difference", "leaves"]

Arrays = dict[str, np.ndarray]


def leaves(result: Any, path: str = "") -> dict[str, Any]:
    """Flatten nested dicts, lists and tuples to a dict from path to leaf.

    >>> leaves({"loss": 1, "more": [2, 3]})
    {'loss': 1, 'more.0': 2, 'more.1': 3}
    """
    if isinstance(result, dict):
        parts = [(str(name), value) for name, value in sorted(result.items())]
    elif isinstance(result, list | tuple):
        parts = [(str(index), value) for index, value in enumerate(result)]
    else:
        return {} if result is None else {path: result}
    found: dict[str, Any] = {}
    for name, value in parts:
        found |= leaves(value, f"{path}.{name}" if path else name)
    return found


def arrays_of(result: Any) -> Arrays:
    """Flatten a result to NumPy arrays; leaves may be arrays of any library."""
    return {path: _array(leaf) for path, leaf in leaves(result).items()}


def _array(leaf: Any) -> np.ndarray:
    return np.asarray(leaf.detach().cpu() if hasattr(leaf, "detach") else leaf)


def difference(ours: Arrays, theirs: Arrays) -> float:
    """The largest absolute difference, relative to the largest value of its array.

    The scale of an array is at least 1 % of the largest value of all arrays, so that rounding
    errors in near-zero gradients do not count. The result is infinite if paths or shapes differ.

    >>> difference({"x": np.array([1.0, 4.0])}, {"x": np.array([1.0, 5.0])})
    0.25
    """
    if ours.keys() != theirs.keys():
        return np.inf
    least = max((_largest(array) for array in ours.values()), default=0.0) / 100
    worst = 0.0
    for path, one in ours.items():
        other = theirs[path]
        if one.shape != other.shape:
            return np.inf
        apart = _largest(np.asarray(one, np.float64) - np.asarray(other, np.float64))
        scale = max(_largest(one), least) or 1.0
        worst = max(worst, np.inf if np.isnan(apart) else apart / scale)
    return worst


def _largest(array: np.ndarray) -> float:
    return float(np.abs(array).max()) if array.size else 0.0
