"""The shape of a variable: its checks, and errors for arrays in its place."""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.sites import site
from lamina.core.specs.spec import Spec
from lamina.errors import BuildError, InputError, explain

__all__ = ["known_spec"]

_INTEGER = frozenset({int})


def known_spec(shape: Any, dtype: Any) -> Spec:
    """Return the spec of a variable.

    Raises:
        BuildError: a size of the shape is unknown.
        InputError: the shape is missing, or is an array or an initializer.
    """
    if shape.__class__ is tuple and _INTEGER.issuperset(map(type, shape)):
        return Spec(shape, dtype)  # the common case, which each plan meets once per weight
    if shape is None or callable(shape) or isinstance(shape, str):
        raise InputError(_without_shape(shape))
    if _is_value(shape):
        raise InputError(
            explain(
                "lamina.Variable got values for its shape.",
                where=f"declared at {site()}",
                expected="the shape first, then the initializer",
                received=_described(shape),
                remedy=_remedy(shape),
            )
        )
    spec = Spec(shape, dtype)
    if not spec.known:
        raise BuildError(
            explain(
                f"A weight of shape {spec.shape} has an unknown size.",
                where=f"declared at {site()}",
                expected="an integer size for each axis",
                received=str(spec.shape),
                remedy="Set that size in the spec of the input, or make the weight independent "
                "of it.",
            )
        )
    return spec


def _without_shape(given: Any) -> str:
    """Return the message for a call without a shape, or with the initializer in its place."""
    return explain(
        "lamina.Variable has no shape.",
        where=f"declared at {site()}",
        expected="the shape first, then the initializer",
        received="no shape" if given is None else f"{given!r} as the shape",
        remedy="Write Variable(shape, initializer), or Variable(array.shape, array) for the "
        "values of an array.",
    )


def _is_value(shape: Any) -> bool:
    """Return whether a shape is an array, a float, or nested lists or floats in a list."""
    if isinstance(shape, list | tuple):
        return any(
            isinstance(one, float | np.floating | list | tuple) or getattr(one, "ndim", 0) > 0
            for one in cast("list[Any]", shape)
        )
    is_float = isinstance(shape, float | np.floating)
    return is_float or (hasattr(shape, "__array__") and not isinstance(shape, np.integer))


def _remedy(shape: Any) -> str:
    if isinstance(shape, float | np.floating):
        return f"Write Variable((), {shape:g})."
    floating = not hasattr(shape, "dtype") or jnp.issubdtype(shape.dtype, jnp.floating)
    kind = "" if floating else ", dtype=array.dtype"
    return f"Write Variable(array.shape, array{kind})."


def _described(shape: Any) -> str:
    if isinstance(shape, np.ndarray | jax.Array):
        return f"an array of shape {shape.shape} and dtype {shape.dtype}"
    return repr(shape)
