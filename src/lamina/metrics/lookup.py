"""Metrics by name, function, loss or class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from lamina import losses
from lamina.errors import InputError, UnknownNameError, explain, nearest
from lamina.losses import Loss
from lamina.losses.lookup import loss_of
from lamina.metrics.accuracies import (
    AutoAccuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from lamina.metrics.confusion import (
    FalseNegatives,
    FalsePositives,
    Precision,
    Recall,
    TrueNegatives,
    TruePositives,
)
from lamina.metrics.correlation import (
    ConcordanceCorrelation,
    PearsonCorrelation,
    R2Score,
)
from lamina.metrics.crossentropy import (
    AutoCrossentropy,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Perplexity,
    SparseCategoricalCrossentropy,
)
from lamina.metrics.f_scores import (
    F1Score,
    FBetaScore,
)
from lamina.metrics.hinges import (
    CategoricalHinge,
    Hinge,
    KLDivergence,
    Poisson,
    SquaredHinge,
)
from lamina.metrics.metric import (
    Mean,
    Metric,
    Sum,
)
from lamina.metrics.operating_points import (
    PrecisionAtRecall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
)
from lamina.metrics.overlap import (
    BinaryIoU,
    IoU,
    MeanIoU,
    OneHotIoU,
    OneHotMeanIoU,
)
from lamina.metrics.regression import (
    CosineSimilarity,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    RootMeanSquaredError,
)
from lamina.metrics.thresholds import (
    AUC,
)
from lamina.metrics.wrappers import (
    FunctionMetric,
    LossMetric,
)
from lamina.named_configs import given_by
from lamina.names import look_up, snake

__all__ = ["MetricLike", "deserialize", "get", "metric_of"]

MetricLike: TypeAlias = str | Metric | type[Metric] | Loss | type[Loss] | Callable[[Any, Any], Any]

_KNOWN: Mapping[str, type[Metric]] = {
    snake(kind.__name__): kind
    for kind in (
        AUC,
        BinaryAccuracy,
        BinaryCrossentropy,
        BinaryIoU,
        CategoricalAccuracy,
        CategoricalCrossentropy,
        CategoricalHinge,
        ConcordanceCorrelation,
        CosineSimilarity,
        F1Score,
        FBetaScore,
        FalseNegatives,
        FalsePositives,
        Hinge,
        KLDivergence,
        LogCoshError,
        Mean,
        MeanAbsoluteError,
        MeanAbsolutePercentageError,
        MeanSquaredError,
        MeanSquaredLogarithmicError,
        PearsonCorrelation,
        Perplexity,
        Poisson,
        Precision,
        R2Score,
        Recall,
        RootMeanSquaredError,
        SparseCategoricalAccuracy,
        SparseCategoricalCrossentropy,
        SparseTopKCategoricalAccuracy,
        SquaredHinge,
        Sum,
        TopKCategoricalAccuracy,
        TrueNegatives,
        TruePositives,
    )
} | {
    "acc": AutoAccuracy,
    "accuracy": AutoAccuracy,
    "bce": BinaryCrossentropy,
    "ce": AutoCrossentropy,
    "crossentropy": AutoCrossentropy,
    "logcosh": LogCoshError,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "mse": MeanSquaredError,
    "msle": MeanSquaredLogarithmicError,
}

_NEED_OPTIONS: Mapping[str, type[Metric]] = {
    snake(kind.__name__): kind
    for kind in (
        IoU,
        MeanIoU,
        OneHotIoU,
        OneHotMeanIoU,
        PrecisionAtRecall,
        RecallAtPrecision,
        SensitivityAtSpecificity,
        SpecificityAtSensitivity,
    )
}
"""The metrics without default options."""


def get(identifier: MetricLike | Mapping[str, Any] | None) -> Metric | None:
    """Return the metric of an identifier.

    Args:
        identifier: as for `compile`; or a dict of ``class_name`` and ``config``; or None.

    Returns:
        The metric; a name or a class gives one with default options. None for None.

    Raises:
        UnknownNameError: no metric and no loss has that name.
        InputError: the identifier is of another type.

    >>> get({"class_name": "Precision", "config": {"top_k": 2}}).top_k
    2
    """
    if identifier is None:
        return None
    if isinstance(identifier, Mapping):
        config = cast("Mapping[str, Any]", identifier)
        known = {**_KNOWN, **_NEED_OPTIONS}
        kind = look_up("metric", str(config.get("class_name")), known, {})
        return kind.from_config(config.get("config", {}))
    return metric_of(identifier)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Metric | None:
    """Return the metric of a config.

    Args:
        config: a result of :func:`serialize`, or anything that :func:`get` accepts.
        custom_objects: classes and functions by name; None (default) for none.

    Returns:
        The metric.

    >>> from lamina import metrics
    >>> metrics.deserialize(metrics.serialize(metrics.AUC(num_thresholds=50))).num_thresholds
    50
    """
    return get(given_by(config, custom_objects))


def metric_of(identifier: MetricLike) -> Metric:
    """Return the metric of an identifier that `compile` accepts.

    Args:
        identifier: a name, such as ``"accuracy"`` or that of a loss, under which it is logged; a
            :class:`Metric` or a loss, or the class of one; or a function ``(y_true, y_pred)``,
            whose values are averaged.

    Returns:
        The metric; a name or a class gives one with default options.

    Raises:
        UnknownNameError: no metric and no loss has that name.
        InputError: the identifier is of another type.

    >>> metric_of("acc").name, metric_of("mse").name, metric_of(Precision(top_k=2)).name
    ('acc', 'mse', 'precision')
    """
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, str):
        return _named(identifier)
    if isinstance(identifier, Loss):
        return LossMetric(identifier)
    if isinstance(identifier, type):
        kind = cast("type[object]", identifier)
        if issubclass(kind, Metric):
            return kind()
        if issubclass(kind, Loss):
            return LossMetric(kind())
    elif callable(identifier):
        return FunctionMetric(identifier)
    raise InputError(
        explain(
            "The metric is not valid.",
            expected="a name, a Metric, a Loss, or a function (y_true, y_pred) -> values",
            received=repr(cast("object", identifier)),
            remedy="Pass 'accuracy', for example, or lamina.metrics.Precision().",
        )
    )


def _named(name: str) -> Metric:
    kind = _KNOWN.get(snake(name))
    if kind is not None:
        return kind(name=name)
    try:
        return LossMetric(loss_of(name), name=name)
    except UnknownNameError:
        raise UnknownNameError(
            explain(
                f"Unknown metric {name!r}.",
                received=repr(name),
                remedy=nearest(snake(name), [*_KNOWN, *losses.names()]),
            )
        ) from None
