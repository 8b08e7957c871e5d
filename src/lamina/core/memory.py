"""Arrays on their way from the host to the device."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

__all__ = ["empty", "on_device"]

_ALIGNMENT = 64  # bytes: from such a boundary JAX takes memory over as it is instead of copying it
_BATCH = 1 << 20  # bytes handed over at a time: few calls for small arrays, little held for large


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array of memory that the CPU device can take over as it is.

    Whoever fills it gives it away: it is not to be written to later.

    >>> empty((2, 3), "float32").shape
    (2, 3)
    """
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(kind).reshape(shape)


def on_device(arrays: Iterable[np.ndarray | jax.Array]) -> list[jax.Array]:
    """The arrays on the default device, in order; nothing is compiled for it.

    >>> [array.tolist() for array in on_device([np.zeros(2), np.ones(1)])]
    [[0.0, 0.0], [1.0]]
    """
    placed: list[jax.Array] = []
    waiting: list[Any] = []
    held = 0
    for array in arrays:
        waiting.append(array)
        held += array.nbytes
        if held >= _BATCH:
            placed += jax.device_put(waiting)
            waiting, held = [], 0
    return placed + jax.device_put(waiting)
