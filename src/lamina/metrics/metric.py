"""Metrics as pure accumulators: a state, a step that adds a batch to it, and a result.

The state is a tuple of arrays, so it goes through `jax.jit` and `jax.lax.scan` as it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.losses.loss import Loss
from lamina.losses.shapes import spread
from lamina.names import snake
from lamina.narrowing import array_of

__all__ = [
    "BuiltIn",
    "FunctionMetric",
    "LossMetric",
    "Mean",
    "MeanMetric",
    "Metric",
    "State",
    "Sum",
]

State: TypeAlias = tuple[jax.Array, ...]


@dataclass(kw_only=True, eq=False)
class Metric:
    """The base of metrics. A metric holds no state of its own; whoever runs it does.

    Args:
        name: for logs; the class's name if left out.
    """

    name: str = ""
    direction: ClassVar[str | None] = None
    """`"up"` or `"down"`: which way is better, where that can be said."""
    shaped: ClassVar[bool] = False
    """Whether `init` takes labels and predictions, of whose last axis the state depends."""

    def __post_init__(self) -> None:
        self.name = self.name or snake(type(self).__name__)

    def init(self) -> State:
        """The state before any batch."""
        raise NotImplementedError

    def update(
        self, state: State, y_true: Any, y_pred: Any, /, sample_weight: ArrayLike | None = None
    ) -> State:
        """The state after one more batch."""
        raise NotImplementedError

    def result(self, state: State) -> jax.Array:
        """What the state comes to."""
        raise NotImplementedError


class Sum(Metric):
    """The sum of all values, each times its weight.

    >>> total = Sum()
    >>> total.result(total.update(total.init(), jnp.array([1.0, 3.0]))).item()
    4.0
    """

    def __init__(self, name: str = "") -> None:
        super().__init__(name=name)

    def init(self) -> State:
        return (jnp.zeros((), jnp.float32),)

    def update(
        self,
        state: State,
        values: Any,
        unused: Any = None,
        /,
        sample_weight: ArrayLike | None = None,
    ) -> State:
        v = array_of(values).astype(jnp.float32)
        w = 1.0 if sample_weight is None else spread(sample_weight, v)
        return (state[0] + jnp.sum(v * w),)

    def result(self, state: State) -> jax.Array:
        return state[0]


class Mean(Metric):
    """The mean of values over examples: ``sum(w v) / sum(w)``, each example's values averaged.

    >>> mean = Mean()
    >>> state = mean.update(mean.init(), jnp.array([1.0, 3.0]))
    >>> mean.result(mean.update(state, jnp.array([5.0]))).item()
    3.0
    """

    def __init__(self, name: str = "") -> None:
        super().__init__(name=name)

    def init(self) -> State:
        return jnp.zeros((), jnp.float32), jnp.zeros((), jnp.float32)

    def update(
        self,
        state: State,
        values: Any,
        unused: Any = None,
        /,
        sample_weight: ArrayLike | None = None,
    ) -> State:
        total, count = state
        v = array_of(values).astype(jnp.float32)
        w = jnp.ones_like(v) if sample_weight is None else spread(sample_weight, v)
        inner = tuple(range(1, v.ndim))
        return total + (v * w).mean(inner).sum(), count + w.mean(inner).sum()

    def result(self, state: State) -> jax.Array:
        return divide(*state)


class MeanMetric(Mean):
    """The mean over examples of values that a subclass finds from labels and predictions."""

    def values(self, y_true: Any, y_pred: Any) -> Any:
        """One value for each example, or several."""
        raise NotImplementedError

    def update(
        self,
        state: State,
        y_true: Any,
        y_pred: Any = None,
        /,
        sample_weight: ArrayLike | None = None,
    ) -> State:
        return super().update(state, self.values(y_true, y_pred), sample_weight=sample_weight)


@dataclass(kw_only=True, eq=False)
class BuiltIn(MeanMetric):
    """A metric that is the mean of a function of this package, with its options."""

    name: str = field(default="", kw_only=False)  # Keras has it first
    function: ClassVar[Callable[..., jax.Array]]

    def values(self, y_true: Any, y_pred: Any) -> jax.Array:
        options = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "name"}
        return type(self).function(y_true, y_pred, **options)


class FunctionMetric(MeanMetric):
    """The mean of what a function ``(y_true, y_pred)`` gives."""

    def __init__(self, function: Callable[..., Any], name: str = "", **options: Any) -> None:
        own = getattr(function, "__name__", "") or snake(type(function).__name__)
        super().__init__(name=name or own)
        self.function = functools.partial(function, **options) if options else function

    def __repr__(self) -> str:
        return f"FunctionMetric({self.name})"

    def values(self, y_true: Any, y_pred: Any) -> Any:
        return self.function(y_true, y_pred)


class LossMetric(MeanMetric):
    """The mean of a loss's values over examples; those that the loss leaves out do not count."""

    direction = "down"

    def __init__(self, loss: Loss, name: str = "") -> None:
        super().__init__(name=name or loss.name or "")
        self.loss = loss

    def __repr__(self) -> str:
        return f"LossMetric({self.loss!r})"

    def values(self, y_true: Any, y_pred: Any) -> jax.Array:
        return self.loss.per_example(y_true, y_pred)

    def update(
        self,
        state: State,
        y_true: Any,
        y_pred: Any = None,
        /,
        sample_weight: ArrayLike | None = None,
    ) -> State:
        mask = self.loss.mask(y_true, y_pred)
        if mask is None:
            weights = sample_weight
        else:
            kept = mask.astype(jnp.float32)
            weights = kept if sample_weight is None else kept * spread(sample_weight, kept)
        return super().update(state, y_true, y_pred, sample_weight=weights)


def fitting(
    kinds: tuple[Callable[[Any, Any], jax.Array], ...], y_true: Any, y_pred: Any
) -> jax.Array:
    """The values of the function that the shapes fit: binary, sparse or categorical."""
    binary, sparse, categorical = kinds
    y, p = array_of(y_true), array_of(y_pred)
    if p.ndim < 2 or p.shape[-1] == 1:
        return binary(y, p)
    return (sparse if y.ndim < p.ndim or y.shape[-1] == 1 else categorical)(y, p)


def divide(total: jax.Array, count: jax.Array) -> jax.Array:
    """``total / count``, and 0 where nothing was counted."""
    return jnp.where(count == 0, 0.0, total / jnp.where(count == 0, 1.0, count))
