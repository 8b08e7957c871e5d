"""Losses by name, function, class or config."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from lamina.errors import InputError, explain
from lamina.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)
from lamina.losses.divergence import (
    KLDivergence,
    Poisson,
    kl_divergence,
    poisson,
)
from lamina.losses.focal import (
    BinaryFocalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    binary_focal_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
)
from lamina.losses.hinges import (
    CategoricalHinge,
    Hinge,
    SquaredHinge,
    categorical_hinge,
    hinge,
    squared_hinge,
)
from lamina.losses.loss import (
    FunctionLoss,
    Loss,
    LossFunction,
)
from lamina.losses.overlap import (
    Dice,
    Tversky,
    dice,
    tversky,
)
from lamina.losses.regression import (
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)
from lamina.losses.robust import (
    Huber,
    LogCosh,
    huber,
    log_cosh,
)
from lamina.losses.sequences import (
    CTC,
    ctc,
)
from lamina.losses.similarity import (
    Circle,
    CosineSimilarity,
    circle,
    cosine_similarity,
)
from lamina.named_configs import given_by
from lamina.names import look_up, snake

__all__ = ["LossLike", "deserialize", "get", "loss_of", "names"]

LossLike: TypeAlias = str | Loss | type[Loss] | LossFunction

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
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        binary_crossentropy,
        binary_focal_crossentropy,
        categorical_crossentropy,
        categorical_focal_crossentropy,
        categorical_generalized_cross_entropy,
        categorical_hinge,
        circle,
        cosine_similarity,
        ctc,
        dice,
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
        tversky,
    )
}


def names() -> list[str]:
    """List the names of losses that :func:`get` accepts.

    Returns:
        The names in snake case, sorted.

    >>> names()[:2]
    ['bce', 'binary_crossentropy']
    """
    return sorted([*_KNOWN, *_ALIASES])


def get(identifier: LossLike | Mapping[str, Any] | None) -> Any:
    """Return the loss of an identifier.

    Args:
        identifier: the name of a function, such as ``"mse"``; the name of a class, such as
            ``"MeanSquaredError"``, or a class, for a loss with default options; a dict of
            ``class_name`` and ``config``; a :class:`Loss`; a function
            ``(y_true, y_pred) -> values``; or None.

    Returns:
        The function for the name of a function, or the loss. None for None.

    Raises:
        UnknownNameError: no loss has that name.
        InputError: the identifier is of another type.

    >>> get("mse").__name__, get("MeanSquaredError").name
    ('mean_squared_error', 'mean_squared_error')
    """
    if identifier is None:
        return None
    if isinstance(identifier, Mapping):
        config = cast("Mapping[str, Any]", identifier)
        kind = look_up("loss", str(config.get("class_name")), _KNOWN, _ALIASES)
        return kind.from_config(config.get("config", {}))
    if isinstance(identifier, str):
        kind = look_up("loss", identifier, _KNOWN, _ALIASES)
        return kind() if identifier == kind.__name__ else _FUNCTIONS[snake(kind.__name__)]
    found = loss_of(identifier)
    return identifier if isinstance(found, FunctionLoss) else found


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the loss of a config.

    Args:
        config: a result of :func:`serialize`, or anything that :func:`get` accepts.
        custom_objects: classes and functions by name; None (default) for none.

    Returns:
        The loss.

    >>> from lamina import losses
    >>> losses.deserialize(losses.serialize(losses.Huber(delta=2.0))).delta
    2.0
    """
    return get(given_by(config, custom_objects))


def loss_of(identifier: LossLike) -> Loss:
    """Return the loss of an identifier as a :class:`Loss`.

    Args:
        identifier: a name, such as ``"mse"`` or ``"MeanSquaredError"``; a :class:`Loss` or a
            subclass of it; or a function ``(y_true, y_pred) -> values``.

    Returns:
        The loss; a name or a class gives one with default options.

    Raises:
        UnknownNameError: no loss has that name.
        InputError: the identifier is of another type.
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
            "The loss is not valid.",
            expected="a name, a Loss, or a function (y_true, y_pred) -> values",
            received=repr(cast("object", identifier)),
            remedy="Pass 'mse', for example, or lamina.losses.Huber(delta=2.0).",
        )
    )
