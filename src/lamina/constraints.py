"""Functions that put a weight back where it may be, after each step of training.

Names, arguments and defaults are Keras's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from lamina.names import made_by_name, snake

__all__ = [
    "Constraint",
    "ConstraintLike",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "Projection",
    "UnitNorm",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "unit_norm",
]

Projection: TypeAlias = Callable[[Any], jax.Array]

_EPSILON = 1e-7  # Keras's, which keeps a quotient by a norm of 0 finite


class Constraint:
    """The base of the built-in constraints: a frozen record, called with a weight."""

    def __call__(self, w: Any) -> jax.Array:
        """The nearest weight that is allowed, of the same shape and dtype."""
        raise NotImplementedError


ConstraintLike: TypeAlias = str | Projection | type[Constraint] | Mapping[str, Any] | None


@dataclass(frozen=True)
class MaxNorm(Constraint):
    """A norm of ``max_value`` or less, taken along ``axis``.

    >>> MaxNorm(1.0)(jnp.array([[0.0, 0.5], [4.0, 0.0]])).round(5).tolist()
    [[0.0, 0.5], [1.0, 0.0]]
    """

    max_value: float = 2
    axis: int | Sequence[int] = 0

    def __call__(self, w: Any) -> jax.Array:
        return _rescaled(w, self.axis, lambda norms: jnp.clip(norms, 0, self.max_value))


@dataclass(frozen=True)
class NonNeg(Constraint):
    """Nothing below 0.

    >>> NonNeg()(jnp.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __call__(self, w: Any) -> jax.Array:
        return jnp.maximum(jnp.asarray(w), 0)


@dataclass(frozen=True)
class UnitNorm(Constraint):
    """A norm of 1, taken along ``axis``.

    >>> UnitNorm()(jnp.array([[0.0, 0.5], [4.0, 0.0]])).round(5).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """

    axis: int | Sequence[int] = 0

    def __call__(self, w: Any) -> jax.Array:
        return _rescaled(w, self.axis, lambda norms: jnp.ones_like(norms))


@dataclass(frozen=True)
class MinMaxNorm(Constraint):
    """A norm from ``min_value`` to ``max_value``, taken along ``axis``.

    A ``rate`` below 1 goes only that share of the way in a step.

    >>> MinMaxNorm(1.0, 2.0)(jnp.array([[0.0, 0.5], [4.0, 0.0]])).round(5).tolist()
    [[0.0, 1.0], [2.0, 0.0]]
    """

    min_value: float = 0.0
    max_value: float = 1.0
    rate: float = 1.0
    axis: int | Sequence[int] = 0

    def __call__(self, w: Any) -> jax.Array:
        def wanted(norms: jax.Array) -> jax.Array:
            within = jnp.clip(norms, self.min_value, self.max_value)
            return self.rate * within + (1 - self.rate) * norms

        return _rescaled(w, self.axis, wanted)


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm

_KNOWN: dict[str, Callable[..., Projection]] = {
    snake(kind.__name__): kind for kind in (MaxNorm, NonNeg, UnitNorm, MinMaxNorm)
}


def get(identifier: ConstraintLike) -> Projection | None:
    """The constraint that a user means.

    Args:
        identifier: a constraint or its class; a name; Keras's dict of ``class_name`` and
            ``config``; a function from a weight to a weight; or None for none.

    Raises:
        UnknownNameError: no constraint is called that.
        InputError: it is none of those.

    >>> get("max_norm"), get(None)
    (MaxNorm(max_value=2, axis=0), None)
    """
    return made_by_name("constraint", identifier, _KNOWN, {})


def _rescaled(
    w: Any, axis: int | Sequence[int], wanted: Callable[[jax.Array], jax.Array]
) -> jax.Array:
    """The weight with other norms along some axes."""
    array = jnp.asarray(w)
    axes = axis if isinstance(axis, int) else tuple(axis)
    norms = jnp.sqrt(jnp.sum(jnp.square(array), axes, keepdims=True))
    return array * (wanted(norms) / (_EPSILON + norms))
