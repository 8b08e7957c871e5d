"""Merging several arrays into one, with masks."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.arrays import Operand, cast
from lamina.ops.scaling import unit_norm

__all__ = ["batch_dot", "chosen", "masked_product", "ranked", "ranked_masks"]

Masks = Sequence[jax.Array | None]


def ranked(arrays: Sequence[jax.Array]) -> list[jax.Array]:
    """Give arrays the same rank, by new axes of size 1 after the first axis.

    Args:
        arrays: ``[batch, ...]`` each, or scalars, which are unchanged.

    Returns:
        The arrays.

    >>> [x.shape for x in ranked([jnp.ones((2, 3)), jnp.ones((2, 5, 3))])]
    [(2, 1, 3), (2, 5, 3)]
    """
    rank = max(array.ndim for array in arrays)
    return [lax.expand_dims(x, range(1, 1 + rank - x.ndim)) if x.ndim else x for x in arrays]


def ranked_masks(masks: Masks, arrays: Sequence[jax.Array]) -> list[jax.Array | None]:
    """Reshape masks so that they broadcast against the result of :func:`ranked`.

    Args:
        masks: for each array a mask without the array's last axis, or None.
        arrays: the arrays.

    Returns:
        The masks, and None where there is none.

    >>> mask, none = ranked_masks([jnp.ones(2), None], [jnp.ones((2, 3)), jnp.ones((2, 5, 3))])
    >>> mask.shape, none
    ((2, 1, 1), None)
    """
    rank = max(array.ndim for array in arrays)
    return [
        None if mask is None else lax.expand_dims(mask[..., None], range(1, 1 + rank - x.ndim))
        for mask, x in zip(masks, arrays, strict=True)
    ]


def chosen(
    choose: Callable[[jax.Array, jax.Array], jax.Array],
    arrays: Sequence[jax.Array],
    masks: Masks,
) -> jax.Array:
    """Reduce unmasked elements pairwise: ``y = choose(... choose(x_1, x_2), x_n)``.

    Args:
        choose: a function of two arrays, such as :func:`jax.numpy.maximum`.
        arrays: arrays whose shapes broadcast.
        masks: for each array a bool array that broadcasts against it, or None for all True. Where
            it is False the array is ignored; where all are False the first array's element is kept.

    Returns:
        The reduced array, in the broadcast shape.

    >>> masks = [jnp.array([True, False]), jnp.array([True, True])]
    >>> chosen(jnp.maximum, [jnp.array([1, 9]), jnp.array([2, 2])], masks).tolist()
    [2, 2]
    """
    y, kept = arrays[0], masks[0]
    for x, mask in zip(arrays[1:], masks[1:], strict=True):
        if mask is not None:
            x = jnp.where(mask, x, y)
        if kept is not None:
            y = jnp.where(kept, y, x)
        kept = None if mask is None or kept is None else kept | mask
        y = choose(y, x)
    return y


def masked_product(arrays: Sequence[jax.Array], masks: Masks) -> jax.Array:
    """Multiply unmasked elements: ``y = x_1 x_2 ... x_n``.

    Args:
        arrays: arrays whose shapes broadcast.
        masks: for each array a bool array that broadcasts against it, or None for all True. Where
            it is False the array counts as 1; where all are False the product is 0.

    Returns:
        The product, in the broadcast shape.

    >>> masks = [jnp.array([True, False]), jnp.array([False, False])]
    >>> masked_product([jnp.array([3, 4]), jnp.array([5, 6])], masks).tolist()
    [3, 0]
    """
    kept = [
        x if mask is None else jnp.where(mask, x, 1) for x, mask in zip(arrays, masks, strict=True)
    ]
    y = functools.reduce(operator.mul, kept)
    shown = [mask for mask in masks if mask is not None]
    if len(shown) < len(masks):
        return y
    return jnp.where(functools.reduce(jnp.logical_or, shown), y, 0)


def batch_dot(
    x: Operand, y: Operand, axes: tuple[int, int], *, normalize: bool = False
) -> jax.Array:
    """Compute dot products for each example: ``z[b, i, j] = sum_k x[b, i, k] y[b, j, k]``.

    Args:
        x: ``[batch, ...]``.
        y: ``[batch, ...]``.
        axes: the axis k of x and of y, of the same size, not 0.
        normalize: whether vectors are scaled to length 1 first, so that z is their cosine; False by
            default.

    Returns:
        ``[batch, rest of x, rest of y]``, or ``[batch, 1]`` if there are no other axes.

    >>> batch_dot(jnp.ones((2, 3, 5)), jnp.ones((2, 10, 3)), (1, 2)).shape
    (2, 5, 10)
    """
    if normalize:
        x, y = unit_norm(x, axes=axes[:1], epsilon=1e-7), unit_norm(y, axes=axes[1:], epsilon=1e-7)
    dtype = jnp.promote_types(x.dtype, y.dtype)
    x, y = cast(x, dtype), cast(y, dtype)
    z = lax.dot_general(x, y, (((axes[0] % x.ndim,), (axes[1] % y.ndim,)), ((0,), (0,))))
    return z if z.ndim > 1 else lax.expand_dims(z, (1,))
