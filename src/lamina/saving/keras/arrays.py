"""Arrays in files of Keras, which are read when they are needed."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["StoredArray", "converted"]


@dataclass(frozen=True)
class StoredArray:
    """An array of a file: its shape and dtype, and how to read it.

    Attributes:
        shape: the shape.
        dtype: the dtype.
        part: returns the elements in a range, flat in C order.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    part: Callable[[int, int], np.ndarray]

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def read(self) -> np.ndarray:
        """Read the whole array."""
        return self.part(0, self.size).reshape(self.shape)


def converted(shape: tuple[int, ...], dtype: Any, compute: Callable[[], np.ndarray]) -> StoredArray:
    """Make an array that is computed from others of the file.

    Args:
        shape: the shape of the result.
        dtype: the dtype of the result.
        compute: computes the result; it is called at the first read.

    Returns:
        The array.
    """
    known = np.dtype(dtype)

    @functools.lru_cache(1)
    def whole() -> np.ndarray:
        return np.ascontiguousarray(compute(), known).reshape(-1)

    return StoredArray(shape, known, lambda start, stop: whole()[start:stop])
