"""Large arrays of examples on the CPU: the rows of a few steps at a time, gathered as needed.

JAX's CPU device uses host memory without a copy if it is aligned to 64 bytes; memory of NumPy
seldom is. A copy of all data would stay in memory for the whole training. Instead, the rows of the
next steps are gathered into aligned memory while the device computes the steps before them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from lamina import narrowing
from lamina.core.base.host_memory import empty, is_zero_copy

__all__ = ["RowRange", "canonical_dtype", "gather", "is_worthwhile"]

_MIN_TOTAL_BYTES = 1 << 25  # smaller data are copied once, which saves gathering in every epoch
_RANGE_BYTES = 1 << 23  # small compared with the data, enough for many steps of most models


class RowRange(NamedTuple):
    """The rows of consecutive steps.

    Attributes:
        rows: a tree of arrays on the device.
        indices: row numbers in `rows`, ``[steps, batch]``.
        first: the first step.
        stop: the step after the last.
    """

    rows: Any
    indices: Any
    first: int
    stop: int


def canonical_dtype(array: np.ndarray) -> np.dtype[Any]:
    """Return the dtype of the array as a JAX array.

    >>> canonical_dtype(np.ones(2, ">f8"))
    dtype('float32')
    """
    return np.dtype(jax.dtypes.canonicalize_dtype(array.dtype.newbyteorder("=")))


def is_worthwhile(arrays: Sequence[Any]) -> bool:
    """Return whether gathering rows saves much memory compared with one copy of the arrays.

    It does for large contiguous arrays on the CPU that JAX cannot use without a copy.

    >>> small, strided = np.ones((4, 3)), np.broadcast_to(np.float64(1), (10**8, 1))
    >>> is_worthwhile([small]), is_worthwhile([strided])
    (False, False)
    """
    if jax.default_backend() != "cpu" or not all(map(_has_contiguous_rows, arrays)):
        return False
    copied = (a for a in arrays if not is_zero_copy(a, canonical_dtype(a)))
    return sum(array.size * canonical_dtype(array).itemsize for array in copied) >= _MIN_TOTAL_BYTES


def _has_contiguous_rows(array: Any) -> bool:
    plain = isinstance(array, np.ndarray) and not isinstance(array, np.ma.MaskedArray)
    return plain and array.dtype.kind in "biuf" and array.flags.c_contiguous


def gather(
    arrays: Sequence[np.ndarray], indices: np.ndarray, first: int, stop: int
) -> Iterator[RowRange]:
    """Yield the rows of steps in ranges of equal size, so that one program serves all ranges.

    The rows of a range are gathered when it is requested. Rows beyond `stop` are uninitialized.

    Args:
        arrays: ``[examples, ...]`` each.
        indices: row numbers ``[steps, batch]``.
        first: the first step.
        stop: the step after the last.

    >>> x = np.arange(8.0, dtype="float32")
    >>> [part] = gather([x], np.asarray([[1, 0], [7, 6]]), 1, 2)
    >>> part.rows[0][part.indices[0]].tolist(), part.first, part.stop
    ([7.0, 6.0], 0, 1)
    """
    steps, size = indices.shape
    row = sum(math.prod(array.shape[1:]) * canonical_dtype(array).itemsize for array in arrays)
    most = max(1, min(steps, _RANGE_BYTES // max(1, row * size)))
    local = jax.device_put(np.arange(most * size, dtype=np.int32).reshape(most, size))
    for start in range(first, stop, most):
        end = min(start + most, stop)
        wanted = indices[start:end].reshape(-1)
        rows = jax.device_put([_take(array, wanted, most * size) for array in arrays])
        yield RowRange(rows, local, 0, end - start)


def _take(array: np.ndarray, rows: np.ndarray, length: int) -> np.ndarray:
    """Copy rows of an array to the front of a new array of `length` rows."""
    target = empty((length, *array.shape[1:]), canonical_dtype(array))
    if target.dtype == array.dtype:
        np.take(array, rows, axis=0, out=target[: len(rows)], mode="clip")  # "raise" would buffer
    else:
        taken = array[rows]
        narrowing.check(taken, "The data")
        target[: len(rows)] = taken
    return target
