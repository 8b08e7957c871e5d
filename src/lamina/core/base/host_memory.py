"""Arrays on their way from the host to the device."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

__all__ = ["at_hand", "copied", "empty", "on_device", "serves"]

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


def serves(array: np.ndarray, dtype: Any) -> bool:
    """Whether the CPU device takes the memory of an array over as it is, for one of that dtype.

    >>> serves(empty((2, 3), "float32"), "float32"), serves(np.ones((3, 2)).T, "float64")
    (True, False)
    """
    aligned = array.ctypes.data % _ALIGNMENT == 0
    return aligned and array.flags.c_contiguous and array.dtype == dtype


def copied(value: Any, dtype: Any = None) -> jax.Array:
    """A copy that nothing else holds, in the dtype if there is one.

    What the host can read it copies, so that nothing is compiled for it: a program for each shape
    would be most of the time of a first step.

    >>> copied(np.ones(2), "int32").tolist()
    [1, 1]
    """
    kind = jax.dtypes.canonicalize_dtype(value.dtype if dtype is None else dtype)
    if not isinstance(value, np.ndarray) and not at_hand(value):
        return jnp.array(value, dtype=kind, copy=True)
    source: np.ndarray = np.asarray(cast(Any, value))
    own = empty(source.shape, kind)
    np.copyto(own, source, casting="unsafe")
    return jax.device_put(own)


def at_hand(value: Any) -> bool:
    """Whether it is an array in the host's own memory, where JAX puts arrays by itself."""
    return (
        isinstance(value, jax.Array)
        and not isinstance(value, Tracer)
        and not value.committed
        and jax.default_backend() == "cpu"  # else there may be no CPU to ask for
        and value.devices() == {jax.local_devices(backend="cpu")[0]}
        and not jnp.issubdtype(value.dtype, jax.dtypes.extended)
    )


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
