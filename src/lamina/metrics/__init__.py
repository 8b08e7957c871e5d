"""Metrics: what is told about a model while it learns, added up over batches.

A name, a function ``(y_true, y_pred)``, a loss and a :class:`Metric` are all metrics to `compile`.
Names, arguments and numbers are Keras's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from lamina import losses
from lamina.errors import InputError, UnknownNameError, explain, nearest
from lamina.losses import (
    Loss,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
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
from lamina.metrics.accuracy import (
    Accuracy,
    AutoAccuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    accuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from lamina.metrics.confusion import (
    FalseNegatives,
    FalsePositives,
    Precision,
    Recall,
    TrueNegatives,
    TruePositives,
)
from lamina.metrics.entropies import (
    AutoCrossentropy,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    Hinge,
    KLDivergence,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from lamina.metrics.language import (
    Perplexity,
)
from lamina.metrics.metric import (
    FunctionMetric,
    LossMetric,
    Mean,
    MeanMetric,
    Metric,
    State,
    Sum,
)
from lamina.metrics.operating import (
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
    ConcordanceCorrelation,
    CosineSimilarity,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    PearsonCorrelation,
    R2Score,
    RootMeanSquaredError,
    concordance_correlation,
    pearson_correlation,
)
from lamina.metrics.scores import (
    F1Score,
    FBetaScore,
)
from lamina.metrics.thresholds import AUC
from lamina.names import snake

__all__ = [
    "AUC",
    "Accuracy",
    "AutoAccuracy",
    "AutoCrossentropy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "BinaryIoU",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "ConcordanceCorrelation",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "FunctionMetric",
    "Hinge",
    "IoU",
    "KLDivergence",
    "LogCoshError",
    "LossMetric",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanIoU",
    "MeanMetric",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "MetricLike",
    "OneHotIoU",
    "OneHotMeanIoU",
    "PearsonCorrelation",
    "Perplexity",
    "Poisson",
    "Precision",
    "PrecisionAtRecall",
    "R2Score",
    "Recall",
    "RecallAtPrecision",
    "RootMeanSquaredError",
    "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity",
    "SquaredHinge",
    "State",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "accuracy",
    "binary_accuracy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "concordance_correlation",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "pearson_correlation",
    "poisson",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "squared_hinge",
    "top_k_categorical_accuracy",
]

MetricLike: TypeAlias = str | Metric | type[Metric] | Loss | type[Loss] | Callable[[Any, Any], Any]

MeanMetricWrapper = FunctionMetric

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
    "ce": AutoCrossentropy,
    "crossentropy": AutoCrossentropy,
    "logcosh": LogCoshError,
}


def get(identifier: MetricLike) -> Metric:
    """The metric that a user means.

    Args:
        identifier: a name, `"accuracy"` or that of a loss, for example, under which it is logged;
            a :class:`Metric` or a loss, or the class of one; or a function ``(y_true, y_pred)``,
            of whose values the mean is taken.

    Raises:
        UnknownNameError: no metric and no loss is called that.
        InputError: it is none of those.

    >>> get("acc").name, get("mse").name, get(Precision(top_k=2)).name
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
            "That is not a metric.",
            expected="a name, a Metric, a Loss, or a function (y_true, y_pred) -> values",
            received=repr(cast("object", identifier)),
            remedy="Give 'accuracy', for example, or lamina.metrics.Precision().",
        )
    )


def _named(name: str) -> Metric:
    kind = _KNOWN.get(snake(name))
    if kind is not None:
        return kind(name=name)
    try:
        return LossMetric(losses.get(name), name=name)
    except UnknownNameError:
        raise UnknownNameError(
            explain(
                "There is no metric of that name.",
                received=repr(name),
                remedy=nearest(snake(name), [*_KNOWN, *losses.names()]),
            )
        ) from None
