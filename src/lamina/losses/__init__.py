"""Losses: functions of labels and predictions, and objects that keep their options.

A name, a function ``(y_true, y_pred) -> values`` and a :class:`Loss` are all losses to `compile`.
Names, arguments and numbers are Keras's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import jax
import jax.numpy as jnp

from lamina.errors import InputError, explain
from lamina.losses.functions import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    cosine_similarity,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from lamina.losses.loss import BuiltIn, FunctionLoss, Loss, LossFunction, reduce
from lamina.losses.shapes import match_labels
from lamina.names import look_up, snake

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "FunctionLoss",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossLike",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "binary_crossentropy",
    "categorical_crossentropy",
    "categorical_hinge",
    "cosine_similarity",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mae",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "mse",
    "msle",
    "names",
    "poisson",
    "reduce",
    "sparse_categorical_crossentropy",
    "squared_hinge",
]

LossLike: TypeAlias = str | Loss | type[Loss] | LossFunction

mse = mean_squared_error
mae = mean_absolute_error
mape = mean_absolute_percentage_error
msle = mean_squared_logarithmic_error


class MeanSquaredError(BuiltIn):
    """:func:`mean_squared_error`, reduced."""

    function = staticmethod(mean_squared_error)


class MeanAbsoluteError(BuiltIn):
    """:func:`mean_absolute_error`, reduced."""

    function = staticmethod(mean_absolute_error)


class MeanAbsolutePercentageError(BuiltIn):
    """:func:`mean_absolute_percentage_error`, reduced."""

    function = staticmethod(mean_absolute_percentage_error)


class MeanSquaredLogarithmicError(BuiltIn):
    """:func:`mean_squared_logarithmic_error`, reduced."""

    function = staticmethod(mean_squared_logarithmic_error)


class LogCosh(BuiltIn):
    """:func:`log_cosh`, reduced."""

    function = staticmethod(log_cosh)


class Hinge(BuiltIn):
    """:func:`hinge`, reduced."""

    function = staticmethod(hinge)


class SquaredHinge(BuiltIn):
    """:func:`squared_hinge`, reduced."""

    function = staticmethod(squared_hinge)


class CategoricalHinge(BuiltIn):
    """:func:`categorical_hinge`, reduced."""

    function = staticmethod(categorical_hinge)


class KLDivergence(BuiltIn):
    """:func:`kl_divergence`, reduced."""

    function = staticmethod(kl_divergence)


class Poisson(BuiltIn):
    """:func:`poisson`, reduced."""

    function = staticmethod(poisson)


@dataclass(eq=False)
class Huber(BuiltIn):
    """:func:`huber`, reduced."""

    function = staticmethod(huber)
    delta: float = 1.0


@dataclass(eq=False)
class CosineSimilarity(BuiltIn):
    """:func:`cosine_similarity`, reduced."""

    function = staticmethod(cosine_similarity)
    axis: int = -1


@dataclass(eq=False)
class BinaryCrossentropy(BuiltIn):
    """:func:`binary_crossentropy`, reduced."""

    function = staticmethod(binary_crossentropy)
    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1


@dataclass(eq=False)
class CategoricalCrossentropy(BuiltIn):
    """:func:`categorical_crossentropy`, reduced."""

    function = staticmethod(categorical_crossentropy)
    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1


@dataclass(eq=False)
class SparseCategoricalCrossentropy(BuiltIn):
    """:func:`sparse_categorical_crossentropy`, reduced; ignored labels do not count in the mean."""

    function = staticmethod(sparse_categorical_crossentropy)
    from_logits: bool = False
    ignore_class: int | None = None
    axis: int = -1

    def mask(self, y_true: Any, y_pred: Any) -> jax.Array | None:
        if self.ignore_class is None:
            return None
        labels, _ = match_labels(jnp.asarray(y_true), jnp.asarray(y_pred), self.axis)
        return labels != self.ignore_class


_KNOWN: dict[str, type[Loss]] = {
    snake(kind.__name__): kind
    for kind in (
        BinaryCrossentropy,
        CategoricalCrossentropy,
        CategoricalHinge,
        CosineSimilarity,
        Hinge,
        Huber,
        KLDivergence,
        LogCosh,
        MeanAbsoluteError,
        MeanAbsolutePercentageError,
        MeanSquaredError,
        MeanSquaredLogarithmicError,
        Poisson,
        SparseCategoricalCrossentropy,
        SquaredHinge,
    )
}
_ALIASES = {
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence",
    "logcosh": "log_cosh",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "mse": "mean_squared_error",
    "msle": "mean_squared_logarithmic_error",
}


def names() -> list[str]:
    """The names that :func:`get` knows."""
    return sorted([*_KNOWN, *_ALIASES])


def get(identifier: LossLike) -> Loss:
    """The loss that a user means: a name, a :class:`Loss` or its class, or a function.

    Raises:
        UnknownNameError: no loss is called that.
        InputError: it is none of those.

    >>> get("mse").name, get(BinaryCrossentropy(from_logits=True)).name
    ('mean_squared_error', 'binary_crossentropy')
    """
    if isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, str):
        return look_up("loss", identifier, _KNOWN, _ALIASES)()
    if isinstance(identifier, type):
        if issubclass(cast("type[object]", identifier), Loss):
            return identifier()
    elif callable(identifier):
        return FunctionLoss(identifier)
    raise InputError(
        explain(
            "That is not a loss.",
            expected="a name, a Loss, or a function (y_true, y_pred) -> values",
            received=repr(cast("object", identifier)),
            remedy="Give 'mse', for example, or lamina.losses.Huber(delta=2.0).",
        )
    )
