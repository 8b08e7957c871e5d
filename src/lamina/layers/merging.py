"""Layers that make one array of several, element by element."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any, ClassVar, cast

import jax
import jax.numpy as jnp

from lamina.layer import Layer
from lamina.layers.bases.checks import check_shape
from lamina.layers.bases.errors import refusal
from lamina.ops.merging import chosen, masked_product, ranked, ranked_masks

__all__ = [
    "Add",
    "Average",
    "Maximum",
    "Merge",
    "Minimum",
    "Multiply",
    "Subtract",
    "add",
    "average",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]


class Merge(Layer):
    """The base of layers that make one array of a list of them.

    The arrays' shapes broadcast; one with fewer axes gets new ones after the batch's. A subclass
    says in ``merged(arrays)`` what becomes of them.

    Raises:
        InputError: the input is no list of arrays, of another length than the layer takes, or of
            shapes that do not broadcast or differ in the batch.

    >>> import jax.numpy as jnp
    >>> class First(Merge):
    ...     def merged(self, arrays):
    ...         return arrays[0]
    >>> First()([jnp.ones((2, 3)), jnp.zeros((2, 5, 3))]).shape
    (2, 1, 3)
    """

    count: ClassVar[int | None] = None  # of arrays that the layer takes; None: 1 or more

    def merged(self, arrays: list[jax.Array]) -> jax.Array:
        """The one array."""
        raise NotImplementedError

    def call(self, inputs: Any) -> jax.Array:
        return self.merged(self._aligned(self._several(inputs)))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Where any of the masks is True; None if one of the inputs has none."""
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
                "takes its inputs in one list",
                expected=f"a list of {wanted}",
                received=f"{len(arrays)} items" if several else f"a {kind}",
                remedy="Put the arrays into a list: layer([x, y]).",
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
                "got inputs whose shapes do not go together",
                expected="the same batch, and sizes that are equal or 1 on each other axis",
                received=", ".join(f"shape {array.shape}" for array in arrays),
                remedy="Reshape or cut the inputs so that they broadcast.",
            )
        return aligned

    def _masks(self, inputs: Any, mask: Any) -> list[Any] | None:
        """The masks of the inputs, one each or None."""
        if mask is None:
            return None
        arrays = self._several(inputs)
        masks = list(cast("Sequence[Any]", mask)) if isinstance(mask, list | tuple) else []
        kind = type(cast("object", mask)).__name__
        if len(masks) != len(arrays):
            raise refusal(
                self,
                "takes the masks of its inputs in one list",
                expected=f"a list of {len(arrays)} masks, None where there is none",
                received=f"{len(masks)} masks" if masks else f"a {kind}",
                remedy="Put the masks into a list: mask=[mask_x, mask_y].",
            )
        for array, one in zip(arrays, masks, strict=True):
            if one is not None:
                wanted = array.shape[:-1]
                check_shape(self, "a mask", one, wanted, "the input's axes but the last")
        return None if all(one is None for one in masks) else masks


class Add(Merge):
    """The sum: ``y = x_1 + x_2 + ...``, as :class:`Merge` takes it.

    >>> import jax.numpy as jnp
    >>> Add()([jnp.array([1.0]), jnp.array([2.0])]).tolist()
    [3.0]
    """

    def merged(self, arrays: list[jax.Array]) -> jax.Array:
        return functools.reduce(operator.add, arrays)


class Subtract(Merge):
    """The difference of two: ``y = x_1 - x_2``, as :class:`Merge` takes them.

    >>> import jax.numpy as jnp
    >>> Subtract()([jnp.array([1.0]), jnp.array([2.0])]).tolist()
    [-1.0]
    """

    count = 2

    def merged(self, arrays: list[jax.Array]) -> jax.Array:
        return arrays[0] - arrays[1]


class Average(Merge):
    """The mean: ``y = (x_1 + ... + x_n) / n``, as :class:`Merge` takes it.

    >>> import jax.numpy as jnp
    >>> Average()([jnp.array([1.0]), jnp.array([2.0])]).tolist()
    [1.5]
    """

    def merged(self, arrays: list[jax.Array]) -> jax.Array:
        return functools.reduce(operator.add, arrays) / len(arrays)


class _Hiding(Merge):
    """A merge in which hidden elements have no say."""

    def call(self, inputs: Any, mask: Any = None) -> jax.Array:
        arrays = self._several(inputs)
        masks = self._masks(arrays, mask) or [None] * len(arrays)
        return self.kept(self._aligned(arrays), ranked_masks(masks, arrays))

    def kept(self, arrays: list[jax.Array], masks: list[jax.Array | None]) -> jax.Array:
        """The one array of what is not hidden."""
        raise NotImplementedError


class Multiply(_Hiding):
    """The product: ``y = x_1 x_2 ...``, as :class:`Merge` takes it.

    Call takes ``mask``, a list of one for each input, bool, of its shape without the last axis, or
    None: what is hidden counts as 1, and where all is hidden, y is 0.

    >>> import jax.numpy as jnp
    >>> Multiply()([jnp.array([3.0]), jnp.array([2.0])]).tolist()
    [6.0]
    """

    def kept(self, arrays: list[jax.Array], masks: list[jax.Array | None]) -> jax.Array:
        return masked_product(arrays, masks)


class Maximum(_Hiding):
    """The largest element: ``y = max(x_1, x_2, ...)``, as :class:`Merge` takes it.

    Call takes ``mask``, a list of one for each input, bool, of its shape without the last axis, or
    None: what is hidden has no say.

    >>> import jax.numpy as jnp
    >>> Maximum()([jnp.array([3.0]), jnp.array([2.0])]).tolist()
    [3.0]
    """

    def kept(self, arrays: list[jax.Array], masks: list[jax.Array | None]) -> jax.Array:
        return chosen(jnp.maximum, arrays, masks)


class Minimum(_Hiding):
    """The smallest element: ``y = min(x_1, x_2, ...)``, as :class:`Maximum` takes it.

    >>> import jax.numpy as jnp
    >>> Minimum()([jnp.array([3.0]), jnp.array([2.0])]).tolist()
    [2.0]
    """

    def kept(self, arrays: list[jax.Array], masks: list[jax.Array | None]) -> jax.Array:
        return chosen(jnp.minimum, arrays, masks)


def add(inputs: Any, **options: Any) -> Any:
    """``Add(**options)(inputs)``."""
    return Add(**options)(inputs)


def average(inputs: Any, **options: Any) -> Any:
    """``Average(**options)(inputs)``."""
    return Average(**options)(inputs)


def maximum(inputs: Any, **options: Any) -> Any:
    """``Maximum(**options)(inputs)``."""
    return Maximum(**options)(inputs)


def minimum(inputs: Any, **options: Any) -> Any:
    """``Minimum(**options)(inputs)``."""
    return Minimum(**options)(inputs)


def multiply(inputs: Any, **options: Any) -> Any:
    """``Multiply(**options)(inputs)``."""
    return Multiply(**options)(inputs)


def subtract(inputs: Any, **options: Any) -> Any:
    """``Subtract(**options)(inputs)``."""
    return Subtract(**options)(inputs)
