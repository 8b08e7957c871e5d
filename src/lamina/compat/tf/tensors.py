"""Conversion of values to arrays, and shapes that remain static during tracing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeAlias, cast

import jax
import jax.core
import numpy as np

from lamina import Variable
from lamina.narrowing import array_of

__all__ = ["Dims", "Shape", "Value", "dims", "is_static", "is_traced", "tensor"]

Value: TypeAlias = "jax.Array | np.ndarray | Variable | complex | Sequence[Any]"
Dims: TypeAlias = "Sequence[SupportsIndex] | np.ndarray | SupportsIndex"


class Shape(np.ndarray):
    """The shape of an array as returned by `tf.shape`, with elementwise arithmetic and int items.

    It is a NumPy array, so results of arithmetic can be used as shapes in `jax.jit`.

    >>> shape = Shape.of((2, 3))
    >>> shape[0], shape * 2
    (2, Shape([4, 6], dtype=int32))
    """

    @classmethod
    def of(cls, sizes: Any, dtype: Any = np.int32) -> Shape:
        return np.asarray(sizes, dtype=dtype).view(cls)

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return int(found) if isinstance(found, np.integer) else found


def tensor(value: Any, dtype: Any = None) -> jax.Array:
    """Convert a number, a list, an array or a variable to a JAX array.

    Args:
        value: the value to convert.
        dtype: dtype of the array. Default: the dtype of the value.

    Raises:
        InputError: an integer does not fit into 32 bits.

    >>> tensor([1.0, 2.0]).dtype
    dtype('float32')
    """
    return array_of(value, dtype)


def is_static(values: Any) -> bool:
    """Whether all values are static integers, such as sizes and results computed from sizes."""
    if isinstance(values, list | tuple):
        return all(map(is_static, cast("Sequence[Any]", values)))
    if isinstance(values, np.ndarray | np.generic):
        return np.issubdtype(cast("Any", values).dtype, np.integer)
    return isinstance(values, int) and not isinstance(values, bool)


def is_traced(value: Any) -> bool:
    """Whether the value is a tracer."""
    return isinstance(value, jax.core.Tracer)


def dims(shape: Dims) -> tuple[int, ...]:
    """Convert a shape to a tuple of ints.

    >>> dims([2, np.int32(3)])
    (2, 3)
    """
    sizes = cast("Any", shape)
    return (int(sizes),) if np.ndim(sizes) == 0 else tuple(int(size) for size in sizes)
