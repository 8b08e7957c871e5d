"""Arithmetic on sizes: small integers that are known while a function is compiled."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

__all__ = ["as_sizes", "at_once"]

_MOST = 64


def at_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compute a function of small known integers at once, also while JAX traces.

    Shapes, such as ``ops.concatenate([ops.expand_dims(batch, 0), [1, 1]])``, stay known that way.

    Args:
        function: a function of arrays.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if all(map(_is_known, args)) and all(map(_is_known, kwargs.values())):
            with jax.ensure_compile_time_eval():
                return function(*args, **kwargs)
        return function(*args, **kwargs)

    return call


def as_sizes(value: Any) -> Any:
    """Arrays with known values as integers, in lists and tuples too; other values as they are.

    Args:
        value: a shape, or the number of repetitions.

    >>> as_sizes([jnp.array(2), -1]), as_sizes(jnp.array([1, 2]))
    ([2, -1], [1, 2])
    """
    if isinstance(value, Tracer):
        return cast("Any", value)
    if isinstance(value, jax.Array):
        return np.asarray(value).tolist()
    if isinstance(value, list | tuple):
        items = [as_sizes(item) for item in cast("list[Any]", value)]
        return items if isinstance(value, list) else tuple(items)
    return value


def _is_known(value: Any) -> bool:
    if value is None or isinstance(value, bool | int | np.integer | str):
        return True
    if isinstance(value, list | tuple):
        items = cast("list[Any]", value)
        return len(items) <= _MOST and all(map(_is_known, items))
    if isinstance(value, Tracer) or not isinstance(value, jax.Array | np.ndarray):
        return False
    array = cast("Any", value)
    return array.size <= _MOST and bool(jnp.issubdtype(array.dtype, jnp.integer))
