"""Metrics that average the values of a given function or loss."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Self

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.configured import dtype_config
from lamina.losses.columns import as_columns, columns_of_loss
from lamina.losses.loss import Loss, function_config
from lamina.losses.shapes import spread
from lamina.metrics.metric import MeanMetric, State
from lamina.names import snake
from lamina.saving import deserialize, serialize

__all__ = ["FunctionMetric", "LossMetric"]


class FunctionMetric(MeanMetric):
    """The mean over examples of the values of a function ``(y_true, y_pred)``.

    Args:
        fn: a function of labels and predictions ``[batch, ...]`` that returns one value or
            several per example.
        name: name in logs; the function's name if empty (default).
        dtype: floating dtype of the result; None (default) for float32.
        options: keyword arguments that are passed on to the function.

    >>> metric = FunctionMetric(lambda y_true, y_pred: abs(y_true - y_pred), "error")
    >>> metric.result(metric.update(metric.init(), jnp.zeros(2), jnp.array([1.0, 3.0]))).item()
    2.0
    """

    def __init__(
        self, fn: Callable[..., Any], name: str | None = "", dtype: Any = None, **options: Any
    ) -> None:
        own = getattr(fn, "__name__", "").strip("<>") or snake(type(fn).__name__)
        super().__init__(name or own, dtype)
        self.function = functools.partial(fn, **options) if options else fn

    def __repr__(self) -> str:
        return f"FunctionMetric({self.name})"

    def get_config(self) -> dict[str, Any]:
        options = function_config(self.function)
        shared = {"name": self.name, "dtype": dtype_config(self.dtype)}
        return {**shared, "fn": options.pop("function"), **options}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**{name: deserialize(value) for name, value in config.items()})

    def values(self, y_true: Any, y_pred: Any) -> Any:
        return self.function(*as_columns(self.function, y_true, y_pred))


class LossMetric(MeanMetric):
    """The mean over examples of the values of a loss; values that the loss masks do not count.

    Labels and predictions have the shapes that the loss takes.

    Args:
        loss: a :class:`lamina.losses.Loss`; its reduction is not used.
        name: name in logs; the loss's name if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> from lamina.losses import Huber
    >>> metric = LossMetric(Huber())
    >>> metric.result(metric.update(metric.init(), jnp.zeros(2), jnp.array([1.0, 3.0]))).item()
    1.5
    """

    direction = "down"

    def __init__(self, loss: Loss, name: str = "", dtype: Any = None) -> None:
        super().__init__(name or loss.name or "", dtype)
        self.loss = loss

    def __repr__(self) -> str:
        return f"LossMetric({self.loss!r})"

    def get_config(self) -> dict[str, Any]:
        shared = {"name": self.name, "dtype": dtype_config(self.dtype)}
        return {**shared, "loss": serialize(self.loss)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**{name: deserialize(value) for name, value in config.items()})

    def values(self, y_true: Any, y_pred: Any) -> jax.Array:
        return self.loss.per_example(*columns_of_loss(self.loss, y_true, y_pred))

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
