"""Layers that join two or more arrays along an axis, or by their dot products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.layers.bases.checks import check_axes, check_choice, check_integers
from lamina.layers.bases.errors import refusal
from lamina.layers.merging import Merge
from lamina.ops.merging import batch_dot

__all__ = ["Concatenate", "Dot", "concatenate", "dot"]


class Concatenate(Merge):
    """The arrays of a list, one after the other along an axis.

    Shapes: a list of ``[..., size_i, ...] -> [..., sum of size_i, ...]``, the same elsewhere.

    Args:
        axis: the axis along which they follow one another.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: the input is no list of arrays, ``axis`` is not in them, or their other axes
            differ.

    >>> import jax.numpy as jnp
    >>> Concatenate()([jnp.ones((2, 3)), jnp.zeros((2, 1))]).shape
    (2, 4)
    """

    def __init__(self, axis: int = -1, **options: Any) -> None:
        super().__init__(**options)
        (self.axis,) = check_integers(self, "axis", axis)

    def call(self, inputs: Any) -> jax.Array:
        arrays = self._several(inputs)
        (axis,) = check_axes(self, (self.axis,), arrays[0].ndim)
        others = [(*array.shape[:axis], *array.shape[axis + 1 :]) for array in arrays]
        if len({(array.ndim, other) for array, other in zip(arrays, others, strict=True)}) > 1:
            raise refusal(
                self,
                "got inputs that cannot follow one another",
                expected=f"the same sizes but on axis {self.axis}",
                received=", ".join(f"shape {array.shape}" for array in arrays),
                remedy="Reshape or cut the inputs to the same other sizes.",
            )
        return jnp.concatenate(arrays, axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks one after the other; where an input has none, all True."""
        masks = self._masks(inputs, mask)
        if masks is None:
            return None
        wide = [
            jnp.broadcast_to(True if one is None else one[..., None], array.shape)
            for array, one in zip(self._several(inputs), masks, strict=True)
        ]
        return jnp.any(jnp.concatenate(wide, self.axis), axis=-1)


class Dot(Merge):
    """The dot products of two arrays' slices: ``z[b, i, j] = sum_k x[b, i, k] y[b, j, k]``.

    Shapes: ``[batch, ...]`` and ``[batch, ...]`` -> ``[batch, rest of x, rest of y]``, or ``[batch,
    1]`` if nothing rests.

    Args:
        axes: the axis k of both, or a list of that of x and that of y; not the batch's.
        normalize: whether slices are scaled to length 1 first, so that z is their cosine.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: the input is no list of two arrays of one batch, ``axes`` are not in them or
            are the batch's, or their sizes differ.

    >>> import jax.numpy as jnp
    >>> Dot((1, 2))([jnp.ones((2, 3, 5)), jnp.ones((2, 10, 3))]).shape
    (2, 5, 10)
    """

    count = 2

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **options: Any) -> None:
        super().__init__(**options)
        given = check_integers(self, "axes", axes)
        check_choice(self, "the number of axes", len(given), (1, 2))
        self.axes = (given[0], given[-1])
        self.normalize = normalize

    def call(self, inputs: Any) -> jax.Array:
        x, y = self._several(inputs)
        return batch_dot(x, y, self._found(x, y), normalize=self.normalize)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None

    def _found(self, x: jax.Array, y: jax.Array) -> tuple[int, int]:
        """The axes counted from the front, if slices along them can be multiplied."""
        found = [check_axes(self, (a,), z.ndim)[0] for a, z in zip(self.axes, (x, y), strict=True)]
        first, second = found
        if 0 in found or (x.shape[0], x.shape[first]) != (y.shape[0], y.shape[second]):
            raise refusal(
                self,
                "cannot multiply its inputs",
                expected=f"one batch, and the same size on axis {first} of the first input and "
                f"axis {second} of the second, neither the batch's",
                received=f"shape {x.shape} and shape {y.shape}",
                remedy="Give axes of the same size, counted with the batch as 0.",
            )
        return first, second


def concatenate(inputs: Any, axis: int = -1, **options: Any) -> Any:
    """``Concatenate(axis, **options)(inputs)``."""
    return Concatenate(axis, **options)(inputs)


def dot(inputs: Any, axes: int | Sequence[int] = -1, **options: Any) -> Any:
    """``Dot(axes, **options)(inputs)``."""
    return Dot(axes, **options)(inputs)
