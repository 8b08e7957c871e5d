"""Regularizers: penalties on weights and outputs, which training adds to the loss.

A regularizer is a function of one array that returns a scalar. Names, arguments and defaults are
those of Keras.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.configured import Configured
from lamina.errors import InputError, explain
from lamina.named_configs import given_by, serialize
from lamina.names import made_by_name, snake

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Penalty",
    "Regularizer",
    "RegularizerLike",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]

Penalty: TypeAlias = Callable[[Any], jax.Array]


class Regularizer(Configured):
    """The base class of regularizers: a callable ``penalty = regularizer(x)``.

    Any function of one array serves as well; the built-in classes are frozen records that can be
    saved.

    >>> class Sum(Regularizer):
    ...     def __call__(self, x):
    ...         return jnp.sum(x)
    >>> Sum()(jnp.ones(3)).item()
    3.0
    """

    def __call__(self, x: Any) -> jax.Array:
        """Compute the penalty; each subclass defines it.

        Args:
            x: ``[...]``, a weight or an output.

        Returns:
            A scalar, in at least float32.
        """
        raise NotImplementedError


RegularizerLike: TypeAlias = str | Penalty | type[Regularizer] | Mapping[str, Any] | None


@dataclass(frozen=True)
class L1(Regularizer):
    """The sum of absolute values: ``penalty = l1 sum(|x|)``.

    Args:
        l1: the factor, a non-negative float; 0.01 by default.

    Raises:
        InputError: the factor is negative or not finite.

    >>> float(L1(0.5)(jnp.array([1.0, -3.0])))
    2.0
    """

    l1: float = 0.01

    def __post_init__(self) -> None:
        _check_factor(self, "l1", self.l1)

    def __call__(self, x: Any) -> jax.Array:
        return self.l1 * jnp.sum(jnp.abs(_wide(x)))


@dataclass(frozen=True)
class L2(Regularizer):
    """The sum of squares: ``penalty = l2 sum(x^2)``.

    Args:
        l2: the factor, a non-negative float; 0.01 by default.

    Raises:
        InputError: the factor is negative or not finite.

    >>> float(L2(0.5)(jnp.array([1.0, -3.0])))
    5.0
    """

    l2: float = 0.01

    def __post_init__(self) -> None:
        _check_factor(self, "l2", self.l2)

    def __call__(self, x: Any) -> jax.Array:
        return self.l2 * jnp.sum(jnp.square(_wide(x)))


@dataclass(frozen=True)
class L1L2(Regularizer):
    """The sum of absolute values and of squares: ``penalty = l1 sum(|x|) + l2 sum(x^2)``.

    With the default factors, and so by its name ``"l1l2"``, the penalty is 0.

    Args:
        l1: the factor of absolute values, a non-negative float; 0.0 by default.
        l2: the factor of squares, a non-negative float; 0.0 by default.

    Raises:
        InputError: a factor is negative or not finite.

    >>> float(L1L2(l1=0.5, l2=0.5)(jnp.array([1.0, -3.0])))
    7.0
    """

    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        _check_factor(self, "l1", self.l1)
        _check_factor(self, "l2", self.l2)

    def __call__(self, x: Any) -> jax.Array:
        return L1(self.l1)(x) + L2(self.l2)(x)


@dataclass(frozen=True)
class OrthogonalRegularizer(Regularizer):
    """The mean absolute cosine between different rows of a matrix, times a factor.

    ``penalty = factor mean(|a.b| / (|a| |b|))`` over the pairs of different rows a and b.

    Args:
        factor: the factor, a non-negative float; 0.01 by default.
        mode: ``"rows"`` (default) or ``"columns"``, the vectors that are to be orthogonal.

    Raises:
        InputError: the factor is negative or not finite, the mode is unknown, or the weight does
            not have two axes.

    >>> float(OrthogonalRegularizer(1.0)(jnp.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]])))
    0.3333333432674408
    """

    factor: float = 0.01
    mode: Literal["rows", "columns"] = "rows"

    def __post_init__(self) -> None:
        _check_factor(self, "factor", self.factor)
        if self.mode not in ("rows", "columns"):
            raise _refusal(self, "an unknown mode", "'rows' or 'columns'", repr(self.mode))

    def __call__(self, x: Any) -> jax.Array:
        matrix = _wide(x)
        if matrix.ndim != 2:
            raise _refusal(
                self, "an array that is not a matrix", "an array of 2 axes", f"shape {matrix.shape}"
            )
        rows = matrix if self.mode == "rows" else matrix.T
        squares = jnp.sum(jnp.square(rows), 1, keepdims=True)
        rows = rows * jax.lax.rsqrt(jnp.maximum(squares, 1e-24))
        count = rows.shape[0]
        cosines = jnp.abs(rows @ rows.T) * (1 - jnp.eye(count, dtype=rows.dtype))
        return self.factor * jnp.sum(cosines) / max(count * (count - 1), 1)


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer

_KNOWN: dict[str, Callable[..., Penalty]] = {
    snake(kind.__name__): kind for kind in (L1, L2, L1L2, OrthogonalRegularizer)
}
_ALIASES = {"l1_l2": "l1l2", "orthogonal": "orthogonal_regularizer"}


def get(identifier: RegularizerLike) -> Penalty | None:
    """Return the regularizer of an identifier.

    Args:
        identifier: a regularizer or its class; a name, such as ``"l2"``; a dict of ``class_name``
            and ``config``, as in Keras; a function of one array that returns a scalar; or None.

    Returns:
        The regularizer, a function, or None for None.

    Raises:
        UnknownNameError: no regularizer has that name.
        InputError: the identifier is of another type.

    >>> get("l2"), get(None)
    (L2(l2=0.01), None)
    """
    return made_by_name("regularizer", identifier, _KNOWN, _ALIASES)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Penalty | None:
    """Return the regularizer of a config.

    Args:
        config: a result of :func:`serialize`, or anything that :func:`get` accepts.
        custom_objects: classes and functions by name; None (default) for none.

    Returns:
        The regularizer.

    >>> deserialize(serialize(L2(0.1)))
    L2(l2=0.1)
    """
    return get(given_by(config, custom_objects))


def _wide(x: Any) -> jax.Array:
    array = jnp.asarray(x)
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))


def _check_factor(owner: Regularizer, name: str, value: Any) -> None:
    number = isinstance(value, float | int | np.number)
    if not number or not 0 <= float(cast("float", value)) < math.inf:
        raise _refusal(
            owner, f"an invalid {name}", "a non-negative finite number", repr(cast("Any", value))
        )


def _refusal(owner: Regularizer, what: str, expected: str, received: str) -> InputError:
    return InputError(
        explain(
            f"{type(owner).__name__} got {what}.",
            expected=expected,
            received=received,
            remedy="Pass one of the expected values.",
        )
    )
