"""The bases of layers that merge several inputs into one array."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, ClassVar, Unpack, cast

import jax
import jax.numpy as jnp

from lamina.layer import Layer
from lamina.layers.bases.checks import check_shape
from lamina.layers.bases.errors import refusal
from lamina.ops.merging import ranked, ranked_masks
from lamina.options import LayerOptions

__all__ = ["MaskedMerge", "Merge"]


class Merge(Layer):
    """The base of layers that merge a list of arrays; a subclass defines ``merged(arrays)``.

    An array with fewer axes gets axes of size 1 after the batch axis.

    Args:
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: the input is no list of arrays, has a wrong number of them, or their shapes do
            not broadcast or differ in the batch axis.

    >>> import jax.numpy as jnp
    >>> class First(Merge):
    ...     def merged(self, arrays):
    ...         return arrays[0]
    >>> First()([jnp.ones((2, 3)), jnp.zeros((2, 5, 3))]).shape
    (2, 1, 3)
    """

    count: ClassVar[int | None] = None  # number of inputs; None: 1 or more

    def __init__(self, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)

    def merged(self, arrays: list[jax.Array]) -> jax.Array:
        """Returns the merged array."""
        raise NotImplementedError

    def call(self, inputs: Any) -> jax.Array:
        return self.merged(self._aligned(self._several(inputs)))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The logical or of the masks; None if an input has none."""
        masks = self._masks(inputs, mask)
        if not masks or any(one is None for one in masks):
            return None
        return functools.reduce(jnp.logical_or, ranked(masks))

    def _several(self, inputs: Any) -> list[jax.Array]:
        several = isinstance(inputs, list | tuple)
        arrays = list(cast("Sequence[Any]", inputs)) if several else []
        right = len(arrays) == self.count if self.count else arrays
        if not right or not all(hasattr(array, "shape") for array in arrays):
            wanted = f"{self.count} arrays" if self.count else "arrays, at least one"
            kind = type(cast("object", inputs)).__name__
            raise refusal(
                self,
                "takes its inputs as one list",
                expected=f"a list of {wanted}",
                received=f"{len(arrays)} items" if several else f"a {kind}",
                remedy="Pass the arrays as a list: layer([x, y]).",
            )
        return arrays

    def _aligned(self, arrays: list[jax.Array]) -> list[jax.Array]:
        aligned = ranked(arrays)
        shapes = [array.shape for array in aligned]
        try:
            jnp.broadcast_shapes(*shapes)
            fit = len({shape[:1] for shape in shapes}) == 1
        except ValueError:
            fit = False
        if not fit:
            raise refusal(
                self,
                "got inputs whose shapes do not broadcast",
                expected="the same batch size, and equal sizes or 1 on each other axis",
                received=", ".join(f"shape {array.shape}" for array in arrays),
                remedy="Reshape or crop the inputs so that they broadcast.",
            )
        return aligned

    def _masks(self, inputs: Any, mask: Any) -> list[Any] | None:
        """Returns the masks of the inputs, each an array or None; None if there are none."""
        if mask is None:
            return None
        arrays = self._several(inputs)
        masks = list(cast("Sequence[Any]", mask)) if isinstance(mask, list | tuple) else []
        kind = type(cast("object", mask)).__name__
        if len(masks) != len(arrays):
            raise refusal(
                self,
                "takes the masks of its inputs as one list",
                expected=f"a list of {len(arrays)} masks, or None for an input without one",
                received=f"{len(masks)} masks" if masks else f"a {kind}",
                remedy="Pass the masks as a list: mask=[mask_x, mask_y].",
            )
        for array, one in zip(arrays, masks, strict=True):
            if one is not None:
                wanted = array.shape[:-1]
                check_shape(self, "a mask", one, wanted, "the input's axes but the last")
        return None if all(one is None for one in masks) else masks


class MaskedMerge(Merge):
    """The base of merging layers that ignore masked elements; a subclass defines ``unmasked``.

    An array with fewer axes gets axes of size 1 after the batch axis.

    Args:
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: the input is no list of arrays, their shapes do not broadcast or differ in the
            batch axis, or ``mask`` does not fit them.
    """

    def call(self, inputs: Any, mask: Any = None) -> jax.Array:
        arrays = self._several(inputs)
        masks = self._masks(arrays, mask) or [None] * len(arrays)
        return self.unmasked(self._aligned(arrays), ranked_masks(masks, arrays))

    def unmasked(self, arrays: list[jax.Array], masks: list[jax.Array | None]) -> jax.Array:
        """Returns the merge of the elements that are not masked."""
        raise NotImplementedError
