"""What counts as a tensor here, and shapes that stay numbers while JAX traces."""

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
    """The sizes of a tensor's axes, as `tf.shape` gives them: arithmetic by element, entries int.

    It is a NumPy array, so that what is computed from it can be a shape again, also in `jax.jit`.

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
    """The array that TensorFlow would make of a value: of a list, a number, a variable.

    Raises:
        InputError: an integer does not fit into the 32 bits that JAX keeps.

    >>> tensor([1.0, 2.0]).dtype
    dtype('float32')
    """
    return array_of(value, dtype)


def is_static(values: Any) -> bool:
    """Whether all are whole numbers known without running: sizes, and what comes of sizes."""
    if isinstance(values, list | tuple):
        return all(map(is_static, cast("Sequence[Any]", values)))
    if isinstance(values, np.ndarray | np.generic):
        return np.issubdtype(cast("Any", values).dtype, np.integer)
    return isinstance(values, int) and not isinstance(values, bool)


def is_traced(value: Any) -> bool:
    """Whether the value stands for numbers that are known only when a program runs."""
    return isinstance(value, jax.core.Tracer)


def dims(shape: Dims) -> tuple[int, ...]:
    """A shape as JAX takes it.

    >>> dims([2, np.int32(3)])
    (2, 3)
    """
    sizes = cast("Any", shape)
    return (int(sizes),) if np.ndim(sizes) == 0 else tuple(int(size) for size in sizes)
