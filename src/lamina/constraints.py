"""Constraints: functions that project a weight to allowed values after each training step.

Names, arguments and defaults are those of Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from lamina.configured import Configured
from lamina.counts import check_fields
from lamina.named_configs import given_by, serialize
from lamina.names import made_by_name, snake

__all__ = [
    "Constraint",
    "ConstraintLike",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "Projection",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]

Projection: TypeAlias = Callable[[Any], jax.Array]

_EPSILON = 1e-7  # added to norms, as in Keras, so that dividing by a norm of 0 stays finite


class Constraint(Configured):
    """The base class of constraints: a callable ``w = constraint(w)``.

    Any function of one array serves as well; the built-in classes are frozen records that can be
    saved.

    >>> class Clip(Constraint):
    ...     def __call__(self, w):
    ...         return jnp.clip(w, -1, 1)
    >>> Clip()(jnp.array([-2.0, 0.5])).tolist()
    [-1.0, 0.5]
    """

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self, w: Any) -> jax.Array:
        """Project a weight to the allowed values; each subclass defines it.

        Args:
            w: ``[...]``, the weight after a training step.

        Returns:
            The new weight, of the same shape and dtype.
        """
        raise NotImplementedError


ConstraintLike: TypeAlias = str | Projection | type[Constraint] | Mapping[str, Any] | None


@dataclass(frozen=True)
class MaxNorm(Constraint):
    """Limit the norm along an axis: ``w min(|w|, max_value) / (|w| + 1e-7)``.

    Args:
        max_value: the largest norm, a non-negative float; 2 by default.
        axis: the axis or axes of the norm; 0 by default, the inputs of a dense kernel
            ``[inputs, units]``. For a kernel of `Conv2D` pass ``[0, 1, 2]``.

    >>> MaxNorm(1.0)(jnp.array([[0.0, 0.5], [4.0, 0.0]])).round(5).tolist()
    [[0.0, 0.5], [1.0, 0.0]]
    """

    max_value: float = 2
    axis: int | Sequence[int] = 0

    def __call__(self, w: Any) -> jax.Array:
        return _rescaled(w, self.axis, lambda norms: jnp.clip(norms, 0, self.max_value))


@dataclass(frozen=True)
class NonNeg(Constraint):
    """Set negative values to 0: ``max(w, 0)``.

    >>> NonNeg()(jnp.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __call__(self, w: Any) -> jax.Array:
        return jnp.maximum(jnp.asarray(w), 0)


@dataclass(frozen=True)
class UnitNorm(Constraint):
    """Scale to norm 1 along an axis: ``w / (|w| + 1e-7)``.

    Args:
        axis: the axis or axes of the norm; 0 by default, the inputs of a dense kernel
            ``[inputs, units]``. For a kernel of `Conv2D` pass ``[0, 1, 2]``.

    >>> UnitNorm()(jnp.array([[0.0, 0.5], [4.0, 0.0]])).round(5).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """

    axis: int | Sequence[int] = 0

    def __call__(self, w: Any) -> jax.Array:
        return _rescaled(w, self.axis, lambda norms: jnp.ones_like(norms))


@dataclass(frozen=True)
class MinMaxNorm(Constraint):
    """Keep the norm along an axis in an interval, or move it there step by step.

    ``w (rate clip(|w|, min_value, max_value) + (1 - rate) |w|) / (|w| + 1e-7)``

    Args:
        min_value: the smallest norm, a non-negative float; 0.0 by default.
        max_value: the largest norm, a non-negative float; 1.0 by default.
        rate: the share of the way to the interval that each step moves the norm, in [0, 1]; 1.0 by
            default.
        axis: the axis or axes of the norm; 0 by default, the inputs of a dense kernel
            ``[inputs, units]``. For a kernel of `Conv2D` pass ``[0, 1, 2]``.

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
    """Return the constraint of an identifier.

    Args:
        identifier: a constraint or its class; a name, such as ``"max_norm"``; a dict of
            ``class_name`` and ``config``, as in Keras; a function from a weight to a weight; or
            None.

    Returns:
        The constraint, a function, or None for None.

    Raises:
        UnknownNameError: no constraint has that name.
        InputError: the identifier is of another type.

    >>> get("max_norm"), get(None)
    (MaxNorm(max_value=2, axis=0), None)
    """
    return made_by_name("constraint", identifier, _KNOWN, {})


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Projection | None:
    """Return the constraint of a config.

    Args:
        config: a result of :func:`serialize`, or anything that :func:`get` accepts.
        custom_objects: classes and functions by name; None (default) for none.

    Returns:
        The constraint.

    >>> deserialize(serialize(MaxNorm(3.0))).max_value
    3.0
    """
    return get(given_by(config, custom_objects))


def _rescaled(
    w: Any, axis: int | Sequence[int], wanted: Callable[[jax.Array], jax.Array]
) -> jax.Array:
    """Scale a weight so that its norms along some axes become the wanted ones."""
    array = jnp.asarray(w)
    axes = tuple(axis) if isinstance(axis, Sequence) else axis
    norms = jnp.sqrt(jnp.sum(jnp.square(array), axes, keepdims=True))
    return array * (wanted(norms) / (_EPSILON + norms))
