"""Large arrays of examples on the CPU, read where they are, some steps' rows at a time.

The CPU device takes over memory that begins at a boundary of 64 bytes; NumPy's seldom does. A copy
of all would be held beside the data for as long as training lasts. Instead the rows of the next
steps are gathered into memory that serves, while the device is at the steps before them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from lamina import narrowing
from lamina.core.base.host_memory import empty, serves

__all__ = ["Window", "canonical", "gathered", "wanted"]

_ALL = 1 << 25  # bytes: fewer are copied once, which saves gathering them in every epoch
_WINDOW = 1 << 23  # bytes: small beside the data, large enough for many steps of most models


class Window(NamedTuple):
    """Steps to make on rows of arrays.

    Attributes:
        rows: the arrays, on the device.
        order: row numbers [steps, batch].
        first: the first of the steps to make.
        stop: the one after the last.
        skipped: examples of the epoch before those of step 0.
    """

    rows: Any
    order: Any
    first: int
    stop: int
    skipped: int


def canonical(array: np.ndarray) -> np.dtype[Any]:
    """The dtype that JAX has an array's numbers in.

    >>> canonical(np.ones(2, ">f8"))
    dtype('float32')
    """
    return np.dtype(jax.dtypes.canonicalize_dtype(array.dtype.newbyteorder("=")))


def wanted(arrays: Sequence[Any]) -> bool:
    """Whether a copy of the arrays would take much memory that windows on them do not.

    >>> small, large = np.ones((4, 3)), np.broadcast_to(np.float64(1), (10**8, 1))
    >>> wanted([small]), wanted([large])  # rows that lie apart are slow to gather
    (False, False)
    """
    if jax.default_backend() != "cpu" or not all(map(_rows_of_numbers, arrays)):
        return False
    copied = (a for a in arrays if not serves(a, canonical(a)))
    return sum(array.size * canonical(array).itemsize for array in copied) >= _ALL


def _rows_of_numbers(array: Any) -> bool:
    plain = isinstance(array, np.ndarray) and not isinstance(array, np.ma.MaskedArray)
    return plain and array.dtype.kind in "biuf" and array.flags.c_contiguous


def gathered(
    arrays: Sequence[np.ndarray], order: np.ndarray, first: int, stop: int
) -> Iterator[Window]:
    """The steps by windows of one size, so that one program serves them all.

    The rows of each are gathered when it is asked for. What lies behind the last is not filled.

    >>> x = np.arange(8.0, dtype="float32")
    >>> [window] = gathered([x], np.asarray([[1, 0], [7, 6]]), 1, 2)
    >>> window.rows[0][window.order[0]].tolist(), window.first, window.stop, window.skipped
    ([7.0, 6.0], 0, 1, 2)
    """
    steps, size = order.shape
    row = sum(math.prod(array.shape[1:]) * canonical(array).itemsize for array in arrays)
    most = max(1, min(steps, _WINDOW // max(1, row * size)))
    places = jax.device_put(np.arange(most * size, dtype=np.int32).reshape(most, size))
    for start in range(first, stop, most):
        end = min(start + most, stop)
        rows = order[start:end].reshape(-1)
        taken = jax.device_put([_taken(array, rows, most * size) for array in arrays])
        yield Window(taken, places, 0, end - start, start * size)


def _taken(array: np.ndarray, rows: np.ndarray, length: int) -> np.ndarray:
    """The rows of an array, at the front of a new one."""
    own = empty((length, *array.shape[1:]), canonical(array))
    if own.dtype == array.dtype:
        np.take(array, rows, axis=0, out=own[: len(rows)], mode="clip")  # else it is buffered
    else:
        taken = array[rows]
        narrowing.check(taken, "The data")
        own[: len(rows)] = taken
    return own
