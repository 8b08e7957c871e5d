"""Metrics as pure accumulators: a state, an update that adds a batch, and a result.

The state is a tuple of arrays, so it passes through `jax.jit` and `jax.lax.scan`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.configured import Configured
from lamina.counts import check_fields
from lamina.losses.columns import as_columns
from lamina.losses.shapes import spread
from lamina.names import snake
from lamina.narrowing import array_of

__all__ = [
    "BuiltIn",
    "Mean",
    "MeanMetric",
    "Metric",
    "State",
    "Sum",
]

State: TypeAlias = tuple[jax.Array, ...]


class Metric(Configured):
    """The base class of metrics; a subclass defines `init`, `update` and `result`.

    A metric holds no state: the caller passes the accumulators from one update to the next.

    Args:
        dtype: floating dtype of the result; None (default) for float32.
        name: name in logs; the class's name in snake case if empty (default).

    >>> class Largest(Metric):
    ...     def init(self):
    ...         return (jnp.array(-jnp.inf),)
    ...     def update(self, state, y_true, y_pred, /, sample_weight=None):
    ...         return (jnp.maximum(state[0], jnp.max(y_pred)),)
    ...     def result(self, state):
    ...         return state[0]
    >>> largest = Largest()
    >>> largest.result(largest.update(largest.init(), None, jnp.array([1.0, 3.0]))).item()
    3.0
    """

    name: str = ""
    dtype: Any = None
    direction: ClassVar[str | None] = None
    """`"up"` if larger results are better, `"down"` if smaller ones are, None if neither."""
    shaped: ClassVar[bool] = False
    """Whether `init` takes labels and predictions, whose last axis gives the state its shape."""

    def __init__(self, dtype: Any = None, name: str = "") -> None:
        self.dtype, self.name = dtype, name
        self.__post_init__()

    def __post_init__(self) -> None:
        self.name = self.name or snake(type(self).__name__)
        check_fields(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"

    def _cast(self, result: jax.Array) -> jax.Array:
        """Return a result in the dtype of the metric."""
        return result if self.dtype is None else result.astype(self.dtype)

    def init(self) -> State:
        """Return the state before the first batch.

        Returns:
            A tuple of arrays, the accumulators.
        """
        raise NotImplementedError

    def _restarted(self, state: State, initial: State) -> State:
        """Return the state at the beginning of an epoch, from those so far and from `init`."""
        return initial

    def update(
        self, state: State, y_true: Any, y_pred: Any, /, sample_weight: ArrayLike | None = None
    ) -> State:
        """Add a batch to the accumulators.

        Args:
            state: the accumulators so far.
            y_true: ``[batch, ...]``, labels.
            y_pred: ``[batch, ...]``, predictions.
            sample_weight: ``[batch]`` or ``[batch, ...]``, weights of examples or of values;
                None (default) weights all equally.

        Returns:
            The new accumulators.
        """
        raise NotImplementedError

    def result(self, state: State) -> jax.Array:
        """Compute the metric from the accumulators.

        Args:
            state: the accumulators.

        Returns:
            A scalar, or an array for a metric of several values.
        """
        raise NotImplementedError


class Sum(Metric):
    """The weighted sum of values: ``sum(w v)``.

    Values are ``[batch, ...]``, weights ``[batch]`` or ``[batch, ...]``.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> total = Sum()
    >>> total.result(total.update(total.init(), jnp.array([1.0, 3.0]))).item()
    4.0
    """

    def __init__(self, name: str = "", dtype: Any = None) -> None:
        super().__init__(dtype=dtype, name=name)

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
        return self._cast(state[0])


class Mean(Metric):
    """The weighted mean of values over examples: ``sum(w v) / sum(w)``.

    Values are ``[batch, ...]``; those of one example are averaged first. Weights are ``[batch]``
    or ``[batch, ...]``.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> mean = Mean()
    >>> state = mean.update(mean.init(), jnp.array([1.0, 3.0]))
    >>> mean.result(mean.update(state, jnp.array([5.0]))).item()
    3.0
    """

    def __init__(self, name: str = "", dtype: Any = None) -> None:
        super().__init__(dtype=dtype, name=name)

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
        return self._cast(divide(*state))


class MeanMetric(Mean):
    """The base class of metrics that average values computed from labels and predictions.

    A subclass defines `values`; the result is ``sum(w v) / sum(w)``, as for :class:`Mean`. One
    value for a whole batch counts as the value of each of its examples.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> class MaxError(MeanMetric):
    ...     def values(self, y_true, y_pred):
    ...         return jnp.abs(y_true - y_pred).max(-1)
    >>> error = MaxError()
    >>> error.result(error.update(error.init(), jnp.zeros((2, 3)), jnp.ones((2, 3)))).item()
    1.0
    """

    def values(self, y_true: Any, y_pred: Any) -> Any:
        """Compute the values to average; each subclass defines it.

        Args:
            y_true: ``[batch, ...]``, labels.
            y_pred: ``[batch, ...]``, predictions.

        Returns:
            ``[batch, ...]``: one value or several per example.
        """
        raise NotImplementedError

    def update(
        self,
        state: State,
        y_true: Any,
        y_pred: Any = None,
        /,
        sample_weight: ArrayLike | None = None,
    ) -> State:
        values = array_of(self.values(y_true, y_pred))
        if not values.ndim:
            given = y_pred if sample_weight is None else sample_weight
            values = jnp.broadcast_to(values, jnp.shape(given)[: 1 if given is y_pred else None])
        return super().update(state, values, sample_weight=sample_weight)


@dataclass(eq=False)
class BuiltIn(MeanMetric):
    """The base class of metrics that average a function of this package with options."""

    name: str = ""
    dtype: Any = None
    function: ClassVar[Callable[..., jax.Array]]

    def values(self, y_true: Any, y_pred: Any) -> jax.Array:
        names = [field.name for field in fields(self) if field.name not in ("name", "dtype")]
        function = type(self).function
        y_true, y_pred = as_columns(function, y_true, y_pred)
        return function(y_true, y_pred, **{name: getattr(self, name) for name in names})


def select_by_shape(
    functions: tuple[Callable[[Any, Any], jax.Array], ...], y_true: Any, y_pred: Any
) -> jax.Array:
    """Compute the values of the function whose shapes match: binary, sparse or categorical."""
    binary, sparse, categorical = functions
    y, p = array_of(y_true), array_of(y_pred)
    if p.ndim < 2 or p.shape[-1] == 1:
        return binary(y, p)
    return (sparse if y.ndim < p.ndim or y.shape[-1] == 1 else categorical)(y, p)


def divide(total: jax.Array, count: jax.Array) -> jax.Array:
    """Compute ``total / count``, and 0 where the count is 0."""
    return jnp.where(count == 0, 0.0, total / jnp.where(count == 0, 1.0, count))
