"""Losses as objects: options kept, and one number out of many values."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.errors import InputError, explain
from lamina.losses.shapes import spread
from lamina.names import snake
from lamina.narrowing import array_of

__all__ = ["BuiltIn", "FunctionLoss", "Loss", "LossFunction", "reduce"]

LossFunction: TypeAlias = Callable[[Any, Any], Any]

_SHARED = ("name", "reduction", "dtype")
_REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None)


@dataclass(kw_only=True, eq=False)
class Loss:
    """The base of losses; a subclass says ``call(y_true, y_pred)``, one value for each example.

    ``loss(y_true, y_pred, sample_weight)`` is the sum of the weighted values over their count, the
    weights not being part of the count.

    Args:
        name: for logs; the class's name if left out.
        reduction: `"sum_over_batch_size"` or `"mean"`, as above; `"mean_with_sample_weight"`
            divides by the sum of the weights; `"sum"`; `"none"` or None keeps the values.
        dtype: in which floating labels and predictions are taken, and the values come; None
            leaves them be, and counts half precision in float32.

    Raises:
        InputError: the reduction is none of those.

    >>> class Wrong(Loss):
    ...     def call(self, y_true, y_pred):
    ...         return jnp.abs(y_true - y_pred).max(-1)
    >>> Wrong(reduction="sum")(jnp.zeros((2, 3)), jnp.ones((2, 3))).item()
    2.0
    """

    name: str | None = None
    reduction: str | None = "sum_over_batch_size"
    dtype: Any = None

    def __post_init__(self) -> None:
        if self.name is None:
            self.name = snake(type(self).__name__)
        if self.reduction not in _REDUCTIONS:
            raise InputError(
                explain(
                    f"{type(self).__name__} got an unknown reduction.",
                    expected=", ".join(map(str, _REDUCTIONS)),
                    received=repr(self.reduction),
                    remedy="Leave it out for the mean over the batch.",
                )
            )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The values before reduction."""
        raise NotImplementedError

    def per_example(self, y_true: Any, y_pred: Any) -> jax.Array:
        """The values before reduction, as an array."""
        if self.dtype is None:
            return jnp.asarray(self.call(y_true, y_pred))
        y_true, y_pred = (_floating(given, self.dtype) for given in (y_true, y_pred))
        return jnp.asarray(self.call(y_true, y_pred), self.dtype)

    def mask(self, y_true: Any, y_pred: Any) -> jax.Array | None:
        """Which of the values count, where the loss leaves some out; None if all do."""
        return None

    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: ArrayLike | None = None
    ) -> jax.Array:
        values = self.per_example(y_true, y_pred)
        return reduce(values, sample_weight, self.mask(y_true, y_pred), self.reduction)


@dataclass(kw_only=True, eq=False)
class BuiltIn(Loss):
    """A loss that is one of this package's functions with its options."""

    function: ClassVar[Callable[..., jax.Array]]

    def call(self, y_true: Any, y_pred: Any) -> jax.Array:
        names = [field.name for field in fields(self) if field.name not in _SHARED]
        return type(self).function(y_true, y_pred, **{name: getattr(self, name) for name in names})


class FunctionLoss(Loss):
    """A loss from a function ``(y_true, y_pred) -> values``, or one value."""

    def __init__(
        self,
        function: LossFunction,
        *,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
        **options: Any,
    ) -> None:
        own = getattr(function, "__name__", None) or snake(type(function).__name__)
        super().__init__(name=name or own, reduction=reduction, dtype=dtype)
        self.function = functools.partial(function, **options) if options else function

    def __repr__(self) -> str:
        return f"FunctionLoss({self.name})"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.function(y_true, y_pred)


def _floating(given: Any, dtype: Any) -> Any:
    """Floating numbers in a dtype; whole ones as they are."""
    array = array_of(given)
    return array.astype(dtype) if jnp.issubdtype(array.dtype, jnp.floating) else array


def reduce(
    values: jax.Array,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    reduction: str | None = "sum_over_batch_size",
) -> jax.Array:
    """One number out of many: ``sum(w v) / count``, and the other reductions of :class:`Loss`.

    Args:
        values: [...] unreduced losses.
        sample_weight: of the examples or of the values.
        mask: which values count; the others enter neither the sum nor the count.

    >>> reduce(jnp.array([1.0, 3.0, 8.0]), jnp.array([1.0, 1.0, 0.25])).item()
    2.0
    """
    weights = None if sample_weight is None else _fit(sample_weight, values)
    if weights is not None and weights.shape != values.shape:  # one loss, many weights
        values = jnp.broadcast_to(values, weights.shape)
    if mask is not None:
        kept = spread(mask, values)
        weights = kept if weights is None else weights * kept
    weighted = values if weights is None else values * weights
    if reduction in (None, "none"):
        return weighted
    if reduction == "sum":
        return weighted.sum()
    if reduction == "mean_with_sample_weight" and weights is not None:
        return _divide(weighted.sum(), weights.sum())
    if mask is not None:
        return _divide(weighted.sum(), spread(mask, values).sum())
    return weighted.mean() if weighted.size else weighted.sum()


def _fit(sample_weight: ArrayLike, values: jax.Array) -> jax.Array:
    weights = array_of(sample_weight)
    return spread(weights, values) if values.ndim else weights.astype(values.dtype)


def _divide(total: jax.Array, count: jax.Array) -> jax.Array:
    return jnp.where(count == 0, 0.0, total / jnp.where(count == 0, 1.0, count))
