"""Concatenation and dot products of several inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import jax
import jax.numpy as jnp

from lamina.layers.bases.checks import check_axes, check_choice, check_integers
from lamina.layers.bases.errors import refusal
from lamina.layers.bases.merging import Merge
from lamina.ops.merging import batch_dot
from lamina.options import LayerOptions

__all__ = ["Concatenate", "Dot", "concatenate", "dot"]


class Concatenate(Merge):
    """Concatenates a list of arrays along an axis.

    Shapes: list of ``[..., size_i, ...] -> [..., sum of size_i, ...]``, with the same sizes on all
    other axes.

    Args:
        axis: int, axis to concatenate along; -1 by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: the input is no list of arrays, the arrays lack ``axis``, or their other axes
            differ.

    >>> import jax.numpy as jnp
    >>> Concatenate()([jnp.ones((2, 3)), jnp.zeros((2, 1))]).shape
    (2, 4)
    """

    def __init__(self, axis: int = -1, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        (self.axis,) = check_integers(self, "axis", axis)

    def call(self, inputs: Any) -> jax.Array:
        arrays = self._several(inputs)
        (axis,) = check_axes(self, (self.axis,), arrays[0].ndim)
        others = [(*array.shape[:axis], *array.shape[axis + 1 :]) for array in arrays]
        if len({(array.ndim, other) for array, other in zip(arrays, others, strict=True)}) > 1:
            raise refusal(
                self,
                "got inputs that cannot be concatenated",
                expected=f"the same sizes on all axes but {self.axis}",
                received=", ".join(f"shape {array.shape}" for array in arrays),
                remedy="Reshape or crop the inputs so that their other axes agree.",
            )
        return jnp.concatenate(arrays, axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks concatenated; an input without a mask counts as all True."""
        masks = self._masks(inputs, mask)
        if masks is None:
            return None
        wide = [
            jnp.broadcast_to(True if one is None else one[..., None], array.shape)
            for array, one in zip(self._several(inputs), masks, strict=True)
        ]
        return jnp.any(jnp.concatenate(wide, self.axis), axis=-1)


class Dot(Merge):
    """Dot products of two arrays along an axis: ``z[b, i, j] = sum_k x[b, i, k] y[b, j, k]``.

    Shapes: list of ``[batch, ..., k, ...]`` and ``[batch, ..., k, ...]`` -> ``[batch, other axes of
    x, other axes of y]``, or ``[batch, 1]`` if there are no other axes.

    Args:
        axes: int, axis k of both arrays, or a pair of int, that of x and that of y; not the batch
            axis.
        normalize: bool, whether to scale to unit L2 norm along k first, so that z is the cosine
            similarity; False by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: the input is no list of two arrays with the same batch size, they lack ``axes``
            or differ in size there, or ``axes`` has the batch axis.

    >>> import jax.numpy as jnp
    >>> Dot((1, 2))([jnp.ones((2, 3, 5)), jnp.ones((2, 10, 3))]).shape
    (2, 5, 10)
    """

    count = 2

    def __init__(
        self, axes: int | Sequence[int], normalize: bool = False, **options: Unpack[LayerOptions]
    ) -> None:
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
        """Returns the axes counted from the front; checks that their sizes agree."""
        found = [check_axes(self, (a,), z.ndim)[0] for a, z in zip(self.axes, (x, y), strict=True)]
        first, second = found
        if 0 in found or (x.shape[0], x.shape[first]) != (y.shape[0], y.shape[second]):
            raise refusal(
                self,
                "cannot multiply its inputs",
                expected=f"the same batch size, and the same size on axis {first} of the first "
                f"input and axis {second} of the second, neither of them the batch axis",
                received=f"shape {x.shape} and shape {y.shape}",
                remedy="Use axes of the same size; the batch is axis 0.",
            )
        return first, second


def concatenate(inputs: Sequence[Any], axis: int = -1, **options: Unpack[LayerOptions]) -> Any:
    """Concatenates a list of arrays along an axis: ``Concatenate(axis, **options)(inputs)``.

    Args:
        inputs: list of arrays, or of symbolic inputs, with the same sizes on all other axes.
        axis: int, axis to concatenate along; -1 by default.
        **options: as for every :class:`lamina.Layer`.

    Returns:
        The concatenated array.

    Raises:
        InputError: as for :class:`Concatenate`.

    >>> concatenate([jnp.ones((2, 3)), jnp.zeros((2, 1))]).shape
    (2, 4)
    """
    return Concatenate(axis, **options)(inputs)


def dot(
    inputs: Sequence[Any], axes: int | Sequence[int] = -1, **options: Unpack[LayerOptions]
) -> Any:
    """Dot products of two arrays along an axis: ``Dot(axes, **options)(inputs)``.

    Args:
        inputs: list of two arrays, or symbolic inputs, with the same batch size.
        axes: int, axis of both arrays, or a pair of int; -1 by default.
        **options: as for every :class:`lamina.Layer`.

    Returns:
        The array of dot products.

    Raises:
        InputError: as for :class:`Dot`.

    >>> dot([jnp.ones((2, 3)), jnp.ones((2, 3))]).tolist()
    [[3.0], [3.0]]
    """
    return Dot(axes, **options)(inputs)
