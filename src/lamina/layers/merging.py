"""Elementwise sums, products, means and extremes of several inputs."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any, Unpack

import jax
import jax.numpy as jnp

from lamina.layers.bases.docstrings import with_family_docs
from lamina.layers.bases.merging import MaskedMerge, Merge
from lamina.ops.merging import chosen, masked_product
from lamina.options import LayerOptions

__all__ = [
    "Add",
    "Average",
    "Maximum",
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


@with_family_docs
class Add(Merge):
    """Adds a list of arrays: ``y = x_1 + x_2 + ...``.

    Shapes: list of ``[batch, ...] -> [batch, ...]``, broadcast to a common shape.

    >>> import jax.numpy as jnp
    >>> Add()([jnp.array([1.0]), jnp.array([2.0])]).tolist()
    [3.0]
    """

    def merged(self, arrays: list[jax.Array]) -> jax.Array:
        return functools.reduce(operator.add, arrays)


@with_family_docs
class Subtract(Merge):
    """Subtracts the second of two arrays from the first: ``y = x_1 - x_2``.

    Shapes: list of two ``[batch, ...] -> [batch, ...]``, broadcast to a common shape.

    >>> import jax.numpy as jnp
    >>> Subtract()([jnp.array([1.0]), jnp.array([2.0])]).tolist()
    [-1.0]
    """

    count = 2

    def merged(self, arrays: list[jax.Array]) -> jax.Array:
        return arrays[0] - arrays[1]


@with_family_docs
class Average(Merge):
    """Averages a list of arrays: ``y = (x_1 + ... + x_n) / n``.

    Shapes: list of ``[batch, ...] -> [batch, ...]``, broadcast to a common shape.

    >>> import jax.numpy as jnp
    >>> Average()([jnp.array([1.0]), jnp.array([2.0])]).tolist()
    [1.5]
    """

    def merged(self, arrays: list[jax.Array]) -> jax.Array:
        return functools.reduce(operator.add, arrays) / len(arrays)


@with_family_docs
class Multiply(MaskedMerge):
    """Multiplies a list of arrays: ``y = x_1 x_2 ...``.

    Shapes: list of ``[batch, ...] -> [batch, ...]``, broadcast to a common shape.

    The call also takes ``mask``, a list with one entry for each input: None, or bool of the input's
    shape without the last axis. Elements where it is False count as 1;
    where all inputs are masked, y is 0.

    >>> import jax.numpy as jnp
    >>> Multiply()([jnp.array([3.0]), jnp.array([2.0])]).tolist()
    [6.0]
    """

    def unmasked(self, arrays: list[jax.Array], masks: list[jax.Array | None]) -> jax.Array:
        return masked_product(arrays, masks)


@with_family_docs
class Maximum(MaskedMerge):
    """The elementwise maximum of a list of arrays: ``y = max(x_1, x_2, ...)``.

    Shapes: list of ``[batch, ...] -> [batch, ...]``, broadcast to a common shape.

    The call also takes ``mask``, a list with one entry for each input: None, or bool of the input's
    shape without the last axis. Elements where it is False are ignored.

    >>> import jax.numpy as jnp
    >>> Maximum()([jnp.array([3.0]), jnp.array([2.0])]).tolist()
    [3.0]
    """

    def unmasked(self, arrays: list[jax.Array], masks: list[jax.Array | None]) -> jax.Array:
        return chosen(jnp.maximum, arrays, masks)


@with_family_docs
class Minimum(MaskedMerge):
    """The elementwise minimum of a list of arrays: ``y = min(x_1, x_2, ...)``.

    Shapes: list of ``[batch, ...] -> [batch, ...]``, broadcast to a common shape.

    The call also takes ``mask``, a list with one entry for each input: None, or bool of the input's
    shape without the last axis. Elements where it is False are ignored.

    >>> import jax.numpy as jnp
    >>> Minimum()([jnp.array([3.0]), jnp.array([2.0])]).tolist()
    [2.0]
    """

    def unmasked(self, arrays: list[jax.Array], masks: list[jax.Array | None]) -> jax.Array:
        return chosen(jnp.minimum, arrays, masks)


def add(inputs: Sequence[Any], **options: Unpack[LayerOptions]) -> Any:
    """Adds a list of arrays: ``Add(**options)(inputs)``.

    Args:
        inputs: list of arrays, or of symbolic inputs, whose shapes broadcast.
        **options: as for every :class:`lamina.Layer`.

    Returns:
        The merged array.

    Raises:
        InputError: as for :class:`Add`.

    >>> add([jnp.array([1.0]), jnp.array([2.0])]).tolist()
    [3.0]
    """
    return Add(**options)(inputs)


def average(inputs: Sequence[Any], **options: Unpack[LayerOptions]) -> Any:
    """Averages a list of arrays: ``Average(**options)(inputs)``.

    Args:
        inputs: list of arrays, or of symbolic inputs, whose shapes broadcast.
        **options: as for every :class:`lamina.Layer`.

    Returns:
        The merged array.

    Raises:
        InputError: as for :class:`Average`.

    >>> average([jnp.array([1.0]), jnp.array([2.0])]).tolist()
    [1.5]
    """
    return Average(**options)(inputs)


def maximum(inputs: Sequence[Any], **options: Unpack[LayerOptions]) -> Any:
    """The elementwise maximum of a list of arrays: ``Maximum(**options)(inputs)``.

    Args:
        inputs: list of arrays, or of symbolic inputs, whose shapes broadcast.
        **options: as for every :class:`lamina.Layer`.

    Returns:
        The merged array.

    Raises:
        InputError: as for :class:`Maximum`.

    >>> maximum([jnp.array([1.0]), jnp.array([2.0])]).tolist()
    [2.0]
    """
    return Maximum(**options)(inputs)


def minimum(inputs: Sequence[Any], **options: Unpack[LayerOptions]) -> Any:
    """The elementwise minimum of a list of arrays: ``Minimum(**options)(inputs)``.

    Args:
        inputs: list of arrays, or of symbolic inputs, whose shapes broadcast.
        **options: as for every :class:`lamina.Layer`.

    Returns:
        The merged array.

    Raises:
        InputError: as for :class:`Minimum`.

    >>> minimum([jnp.array([1.0]), jnp.array([2.0])]).tolist()
    [1.0]
    """
    return Minimum(**options)(inputs)


def multiply(inputs: Sequence[Any], **options: Unpack[LayerOptions]) -> Any:
    """Multiplies a list of arrays: ``Multiply(**options)(inputs)``.

    Args:
        inputs: list of arrays, or of symbolic inputs, whose shapes broadcast.
        **options: as for every :class:`lamina.Layer`.

    Returns:
        The merged array.

    Raises:
        InputError: as for :class:`Multiply`.

    >>> multiply([jnp.array([1.0]), jnp.array([2.0])]).tolist()
    [2.0]
    """
    return Multiply(**options)(inputs)


def subtract(inputs: Sequence[Any], **options: Unpack[LayerOptions]) -> Any:
    """Subtracts the second of two arrays from the first: ``Subtract(**options)(inputs)``.

    Args:
        inputs: list of two arrays, or symbolic inputs, whose shapes broadcast.
        **options: as for every :class:`lamina.Layer`.

    Returns:
        The merged array.

    Raises:
        InputError: as for :class:`Subtract`.

    >>> subtract([jnp.array([1.0]), jnp.array([2.0])]).tolist()
    [-1.0]
    """
    return Subtract(**options)(inputs)
