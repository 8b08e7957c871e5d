"""Losses: functions of labels and predictions, and objects that keep their options.

A name, a function ``(y_true, y_pred) -> values`` and a :class:`Loss` are all losses to `compile`.
Names, arguments and numbers are Keras's.
"""

from __future__ import annotations

from typing import TypeAlias, cast

from lamina.errors import InputError, explain
from lamina.losses.classes import (
    CTC,
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    CategoricalHinge,
    Circle,
    CosineSimilarity,
    Dice,
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
    Tversky,
)
from lamina.losses.focal import (
    binary_focal_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
)
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
from lamina.losses.loss import FunctionLoss, Loss, LossFunction, reduce
from lamina.losses.overlap import circle, dice, tversky
from lamina.losses.sequences import ctc
from lamina.names import look_up, snake

__all__ = [
    "CTC",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "Circle",
    "CosineSimilarity",
    "Dice",
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
    "Tversky",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "circle",
    "cosine_similarity",
    "ctc",
    "dice",
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
    "tversky",
]

LossLike: TypeAlias = str | Loss | type[Loss] | LossFunction

mse = mean_squared_error
mae = mean_absolute_error
mape = mean_absolute_percentage_error
msle = mean_squared_logarithmic_error


_KNOWN: dict[str, type[Loss]] = {
    snake(kind.__name__): kind
    for kind in (
        BinaryCrossentropy,
        BinaryFocalCrossentropy,
        CTC,
        CategoricalCrossentropy,
        CategoricalFocalCrossentropy,
        CategoricalGeneralizedCrossEntropy,
        CategoricalHinge,
        Circle,
        CosineSimilarity,
        Dice,
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
        Tversky,
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
