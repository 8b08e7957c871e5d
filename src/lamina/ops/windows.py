"""Maxima and sums over windows of an array."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina.narrowing import array_of

__all__ = ["lowest", "window_max", "window_sum"]

_MOST_POINTS = 64  # the most points of a window for which each is a part of the program

Sizes = tuple[int, ...]


def window_max(
    x: jax.Array, window: Sequence[int], steps: Sequence[int], padding: str
) -> jax.Array:
    """Compute the maximum of each window; its gradient goes to the first of equal maxima.

    The maximum of the shifted arrays that the points of a window read is one loop with vector
    instructions on a CPU, forward and backward. Large windows and symbolic sizes use XLA's windows.

    Args:
        x: an array.
        window: the size of the window on every axis of x, in points.
        steps: the distance between windows on every axis, in points.
        padding: ``"valid"`` for whole windows only, ``"same"`` for ``ceil(size / step)`` windows.

    Returns:
        The maxima, in x's dtype.

    >>> window_max(jnp.array([1.0, 3.0, 2.0]), [2], [1], "valid").tolist()
    [3.0, 3.0]
    """
    if not _is_small(x, window):
        start, reduce = lowest(x.dtype), cast(Any, lax.reduce_window)
        return array_of(reduce(x, start, lax.max, window, steps, padding.upper()))
    padded = _padded(x, window, steps, padding, lowest(x.dtype))
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        return _reduced(lax.max, _points(padded, window, steps))
    return array_of(cast(Any, _max_of_points)(padded, tuple(window), tuple(steps)))


def window_sum(
    x: jax.Array, window: Sequence[int], steps: Sequence[int], padding: str
) -> jax.Array:
    """Compute the sum of each window.

    Args:
        x, window, steps, padding: as for :func:`window_max`.

    Returns:
        The sums, in x's dtype.

    >>> window_sum(jnp.array([1.0, 3.0, 2.0]), [2], [1], "same").tolist()
    [4.0, 5.0, 2.0]
    """
    nothing = np.zeros((), x.dtype)
    if not _is_small(x, window):
        return lax.reduce_window(x, nothing, lax.add, window, steps, padding.upper())
    return _reduced(lax.add, _points(_padded(x, window, steps, padding, nothing), window, steps))


def lowest(dtype: Any) -> Any:
    """Return the smallest value of a dtype, as a NumPy scalar array.

    >>> lowest(jnp.int8).item()
    -128
    """
    if jnp.issubdtype(dtype, jnp.inexact):
        return np.asarray(-np.inf, dtype)
    return np.asarray(jnp.iinfo(dtype).min, dtype)


def _reduced(function: Callable[..., Any], arrays: Sequence[jax.Array]) -> jax.Array:
    return functools.reduce(function, arrays)


def _is_small(x: jax.Array, window: Sequence[int]) -> bool:
    sizes: list[object] = list(x.shape)
    return math.prod(window) <= _MOST_POINTS and all(isinstance(size, int) for size in sizes)


def _padded(
    x: jax.Array, window: Sequence[int], steps: Sequence[int], padding: str, value: Any
) -> jax.Array:
    pads = lax.padtype_to_pads(x.shape, window, steps, padding.upper())
    return lax.pad(x, jnp.asarray(value), [(front, behind, 0) for front, behind in pads])


def _points(x: jax.Array, window: Sequence[int], steps: Sequence[int]) -> list[jax.Array]:
    """Slice from a padded x, for each point of the window, what the windows have there."""
    counts = [
        max((size - width) // step + 1, 0)
        for size, width, step in zip(x.shape, window, steps, strict=True)
    ]
    if 0 in counts:
        return [jnp.zeros(counts, x.dtype)]
    points: list[jax.Array] = []
    for start in itertools.product(*map(range, window)):
        limits = [
            first + (count - 1) * step + 1
            for first, count, step in zip(start, counts, steps, strict=True)
        ]
        points.append(lax.slice(x, start, limits, steps))
    return points


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _max_of_points(x: jax.Array, window: Sizes, steps: Sizes) -> jax.Array:
    return _reduced(lax.max, _points(x, window, steps))


@_max_of_points.defjvp
def _max_of_points_jvp(
    window: Sizes, steps: Sizes, primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """Pass the tangent of the first of the largest points on; a barrier keeps their numbers."""
    best, *others = _points(primals[0], window, steps)
    number = jnp.zeros(best.shape, jnp.int32)
    for index, point in enumerate(others, 1):
        number = jnp.where(point > best, index, number)
        best = lax.max(best, point)
    number = lax.optimization_barrier(number)
    terms = [
        jnp.where(number == index, tangent, 0)
        for index, tangent in enumerate(_points(tangents[0], window, steps))
    ]
    return best, _reduced(lax.add, terms)
