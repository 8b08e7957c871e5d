"""Copies of arrays from host memory to the device."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

__all__ = ["ALIGNMENT", "copied", "empty", "is_on_host", "is_zero_copy", "on_device"]

ALIGNMENT = 64  # bytes; JAX uses NumPy memory with this alignment without a copy
_BATCH = 1 << 20  # bytes for each call of `device_put`: few calls, and little memory held


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return an uninitialized array that the CPU device can use without a copy.

    After it was passed to JAX it must not be written to.

    >>> empty((2, 3), "float32").shape
    (2, 3)
    """
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(kind).reshape(shape)


def is_zero_copy(array: np.ndarray, dtype: Any) -> bool:
    """Return whether the CPU device can use the memory of an array without a copy.

    Args:
        array: the array.
        dtype: dtype of the JAX array to be made of it.

    >>> is_zero_copy(empty((2, 3), "float32"), "float32")
    True
    >>> is_zero_copy(np.ones((3, 2)).T, "float64")
    False
    """
    aligned = array.ctypes.data % ALIGNMENT == 0
    return aligned and array.flags.c_contiguous and array.dtype == dtype


def copied(value: Any, dtype: Any = None) -> jax.Array:
    """Return a copy of an array as a JAX array that shares no memory.

    Arrays in host memory are copied by NumPy, so that nothing is compiled: otherwise compiling one
    program for each shape would take most of the time of a first training step.

    Args:
        value: a NumPy or JAX array.
        dtype: dtype of the copy; None (default) for the dtype of `value`.

    >>> copied(np.ones(2), "int32").tolist()
    [1, 1]
    """
    kind = jax.dtypes.canonicalize_dtype(value.dtype if dtype is None else dtype)
    if not isinstance(value, np.ndarray) and not is_on_host(value):
        return jnp.array(value, dtype=kind, copy=True)
    source: np.ndarray = np.asarray(cast(Any, value))
    own = empty(source.shape, kind)
    np.copyto(own, source, casting="unsafe")
    return jax.device_put(own)


def is_on_host(value: Any) -> bool:
    """Return whether a value is a JAX array in host memory, on the default CPU device."""
    return (
        isinstance(value, jax.Array)
        and not isinstance(value, Tracer)
        and not value.committed
        and jax.default_backend() == "cpu"  # otherwise JAX may have no CPU device
        and value.devices() == {jax.local_devices(backend="cpu")[0]}
        and not jnp.issubdtype(value.dtype, jax.dtypes.extended)
    )


def on_device(arrays: Iterable[np.ndarray | jax.Array]) -> list[jax.Array]:
    """Copy arrays to the default device, in order; nothing is compiled.

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
