"""The base class of losses, and the reduction of their values to one number."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, ClassVar, Self, TypeAlias, cast

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.configured import Configured, dtype_config
from lamina.counts import check_fields
from lamina.errors import InputError, explain
from lamina.losses.shapes import spread
from lamina.names import snake
from lamina.narrowing import array_of
from lamina.saving import deserialize, serialize

__all__ = ["BuiltIn", "FunctionLoss", "Loss", "LossFunction", "function_config", "reduce"]

LossFunction: TypeAlias = Callable[[Any, Any], Any]

_SHARED = ("name", "reduction", "dtype")
_REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None)


class Loss(Configured):
    """The base class of losses; a subclass defines ``call(y_true, y_pred)``.

    ``loss(y_true, y_pred, sample_weight)`` is ``sum(w v) / count`` for the values v of ``call``
    and the weights w; ``count`` is the number of values, regardless of the weights.

    Args:
        name: name in logs; the class's name in snake case if None (default).
        reduction: how the values are combined. ``"sum_over_batch_size"`` (default) and ``"mean"``:
            as above. ``"mean_with_sample_weight"``: divided by the sum of the weights.
            ``"sum"``: not divided. ``"none"`` or None: the values are returned.
        dtype: floating dtype of labels, predictions and values; None (default) computes in the
            dtype of ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    >>> class MaxError(Loss):
    ...     def call(self, y_true, y_pred):
    ...         return jnp.abs(y_true - y_pred).max(-1)
    >>> MaxError(reduction="sum")(jnp.zeros((2, 3)), jnp.ones((2, 3))).item()
    2.0
    """

    name: str | None = None
    reduction: str | None = "sum_over_batch_size"
    dtype: Any = None

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        self.name, self.reduction, self.dtype = name, reduction, dtype
        self.__post_init__()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, reduction={self.reduction!r})"

    def __post_init__(self) -> None:
        if self.name is None:
            self.name = snake(type(self).__name__)
        self.dtype = getattr(self.dtype, "compute_dtype", self.dtype)  # of a dtype policy
        check_fields(self)
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
        """Compute the values before reduction; each subclass defines it.

        Args:
            y_true: ``[batch, ...]``, labels.
            y_pred: ``[batch, ...]``, predictions.

        Returns:
            ``[batch, ...]``: one value or several per example.
        """
        raise NotImplementedError

    def per_example(self, y_true: Any, y_pred: Any) -> jax.Array:
        """Compute the values before reduction, in the dtype of the loss.

        Args:
            y_true: ``[batch, ...]``, labels.
            y_pred: ``[batch, ...]``, predictions.

        Returns:
            ``[batch, ...]``: one value or several per example.
        """
        if self.dtype is None:
            return jnp.asarray(self.call(y_true, y_pred))
        y_true, y_pred = (_floating(given, self.dtype) for given in (y_true, y_pred))
        return jnp.asarray(self.call(y_true, y_pred), self.dtype)

    def mask(self, y_true: Any, y_pred: Any) -> jax.Array | None:
        """Select the values that the loss counts; a subclass may define it.

        Args:
            y_true: ``[batch, ...]``, labels.
            y_pred: ``[batch, ...]``, predictions.

        Returns:
            Bool, of the shape of the values; None (here) if all values count.
        """
        return None

    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: ArrayLike | None = None
    ) -> jax.Array:
        """Compute the loss.

        Args:
            y_true: ``[batch, ...]``, labels.
            y_pred: ``[batch, ...]``, predictions.
            sample_weight: ``[batch]`` or ``[batch, ...]``, weights of examples or of values;
                None (default) weights all equally.

        Returns:
            A scalar, or the values if ``reduction`` is ``"none"``.

        Raises:
            InputError: the shapes do not match.
        """
        values = self.per_example(y_true, y_pred)
        return reduce(values, sample_weight, self.mask(y_true, y_pred), self.reduction)


class BuiltIn(Loss):
    """The base class of losses that are a function of this package with options."""

    function: ClassVar[Callable[..., jax.Array]]

    def call(self, y_true: Any, y_pred: Any) -> jax.Array:
        """Compute the values by the function of the class.

        Args:
            y_true: ``[batch, ...]``, labels.
            y_pred: ``[batch, ...]``, predictions.

        Returns:
            ``[batch, ...]``: one value or several per example.
        """
        every: Any = fields(cast(Any, self))
        names = [field.name for field in every if field.name not in _SHARED]
        return type(self).function(y_true, y_pred, **{name: getattr(self, name) for name in names})


class FunctionLoss(Loss):
    """A loss computed by a function ``(y_true, y_pred) -> values``.

    Args:
        function: a function of labels and predictions that returns one value per example, or
            one value.
        name: name in logs; the function's name if None (default).
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        dtype: floating dtype of the computation; None (default) leaves it to the function.
        options: keyword arguments that are passed on to the function.

    Raises:
        InputError: the reduction is unknown.

    >>> loss = FunctionLoss(lambda y_true, y_pred: abs(y_true - y_pred), name="error")
    >>> loss(jnp.zeros(2), jnp.array([1.0, 3.0])).item()
    2.0
    """

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

    def get_config(self) -> dict[str, Any]:
        shared = {"name": self.name, "reduction": self.reduction}
        return {**shared, "dtype": dtype_config(self.dtype), **function_config(self.function)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**{name: deserialize(value) for name, value in config.items()})

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Compute the values by the function.

        Args:
            y_true: ``[batch, ...]``, labels.
            y_pred: ``[batch, ...]``, predictions.

        Returns:
            What the function returns.
        """
        return self.function(y_true, y_pred)


def function_config(function: Any) -> dict[str, Any]:
    """Convert a function, or one with options bound to it, to the arguments of a wrapper.

    Args:
        function: a function, or a partial with keyword arguments.

    Returns:
        ``function`` and the options, which JSON can store.

    Raises:
        LaminaError: the function has no name, or an option cannot be stored.
    """
    if not isinstance(function, functools.partial):
        return {"function": serialize(function)}
    bound = cast("functools.partial[Any]", function)
    options = {name: serialize(value) for name, value in bound.keywords.items()}
    return {"function": serialize(bound.func), **options}


def _floating(given: Any, dtype: Any) -> Any:
    """Cast floating arrays to a dtype; leave integers as they are."""
    array = array_of(given)
    return array.astype(dtype) if jnp.issubdtype(array.dtype, jnp.floating) else array


def reduce(
    values: jax.Array,
    sample_weight: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    reduction: str | None = "sum_over_batch_size",
) -> jax.Array:
    """Combine the values v of a loss into one number: ``sum(w v) / count`` by default.

    Args:
        values: ``[batch, ...]``, values of the loss.
        sample_weight: ``[batch]`` or ``[batch, ...]``, weights w of examples or of values; None
            (default) weights all equally.
        mask: ``[batch]`` or ``[batch, ...]``, bool; values where it is False are left out of the
            sum and of the count. None (default) keeps all.
        reduction: one of those of :class:`Loss`; ``"sum_over_batch_size"`` by default.

    Returns:
        A scalar; or ``[batch, ...]``, the weighted values, for ``"none"`` and None.

    Raises:
        InputError: the shape of the weights or of the mask does not match.

    >>> reduce(jnp.array([1.0, 3.0, 8.0]), jnp.array([1.0, 1.0, 0.25])).item()
    2.0
    """
    weights = None if sample_weight is None else _fit(sample_weight, values)
    if weights is not None and weights.shape != values.shape:  # one value, many weights
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
