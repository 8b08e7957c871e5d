"""Penalties on weights and outputs, which training adds to the loss.

A regularizer is a function of one array that gives a number. Names, arguments and defaults are
Keras's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp

from lamina.errors import InputError, explain
from lamina.names import made_by_name, snake

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Penalty",
    "Regularizer",
    "RegularizerLike",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
]

Penalty: TypeAlias = Callable[[Any], jax.Array]


class Regularizer:
    """The base of the built-in penalties: a frozen record, called with an array."""

    def __call__(self, x: Any) -> jax.Array:
        """The penalty, a number, in at least float32."""
        raise NotImplementedError


RegularizerLike: TypeAlias = str | Penalty | type[Regularizer] | Mapping[str, Any] | None


@dataclass(frozen=True)
class L1(Regularizer):
    """``l1 sum |x|``.

    Raises:
        InputError: the factor is not a finite number of 0 or more.

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
    """``l2 sum x^2``.

    Raises:
        InputError: the factor is not a finite number of 0 or more.

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
    """``l1 sum |x| + l2 sum x^2``; by its name alone, ``"l1l2"``, it penalises nothing.

    Raises:
        InputError: a factor is not a finite number of 0 or more.

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
    """``factor`` times the mean of ``|cos|`` of the angles between the rows of a matrix.

    Args:
        factor: of the penalty.
        mode: ``"rows"``, or ``"columns"`` for the angles between those.

    Raises:
        InputError: the factor is not a finite number of 0 or more, the mode is neither, or what
            is penalised has not two axes.

    >>> float(OrthogonalRegularizer(1.0)(jnp.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]])))
    0.3333333432674408
    """

    factor: float = 0.01
    mode: Literal["rows", "columns"] = "rows"

    def __post_init__(self) -> None:
        _check_factor(self, "factor", self.factor)
        if self.mode not in ("rows", "columns"):
            raise _refusal(self, "a bad mode", "'rows' or 'columns'", repr(self.mode))

    def __call__(self, x: Any) -> jax.Array:
        matrix = _wide(x)
        if matrix.ndim != 2:
            raise _refusal(self, "no matrix", "an array of 2 axes", f"shape {matrix.shape}")
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
    """The penalty that a user means.

    Args:
        identifier: a regularizer or its class; a name; Keras's dict of ``class_name`` and
            ``config``; a function of one array that gives a number; or None for none.

    Raises:
        UnknownNameError: no regularizer is called that.
        InputError: it is none of those.

    >>> get("l2"), get(None)
    (L2(l2=0.01), None)
    """
    return made_by_name("regularizer", identifier, _KNOWN, _ALIASES)


def _wide(x: Any) -> jax.Array:
    array = jnp.asarray(x)
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))


def _check_factor(owner: Regularizer, name: str, value: Any) -> None:
    if not isinstance(value, float | int) or not 0 <= value < math.inf:
        raise _refusal(owner, f"a bad {name}", "a finite number of 0 or more", repr(value))


def _refusal(owner: Regularizer, what: str, expected: str, received: str) -> InputError:
    return InputError(
        explain(
            f"{type(owner).__name__} got {what}.",
            expected=expected,
            received=received,
            remedy="Give what is expected.",
        )
    )
