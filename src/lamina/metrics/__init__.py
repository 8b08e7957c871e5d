"""Metrics: what is told about a model while it learns, added up over batches.

A name, a function ``(y_true, y_pred)``, a loss and a :class:`Metric` are all metrics to `compile`.
Names, arguments and numbers are Keras's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from lamina import losses
from lamina.errors import InputError, UnknownNameError, explain, nearest
from lamina.losses import Loss
from lamina.metrics.accuracy import (
    Accuracy,
    AutoAccuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from lamina.metrics.confusion import Precision, Recall
from lamina.metrics.metric import FunctionMetric, LossMetric, Mean, MeanMetric, Metric, State
from lamina.metrics.regression import (
    CosineSimilarity,
    MeanAbsoluteError,
    MeanSquaredError,
    RootMeanSquaredError,
)
from lamina.names import snake

__all__ = [
    "Accuracy",
    "AutoAccuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "CosineSimilarity",
    "FunctionMetric",
    "LossMetric",
    "Mean",
    "MeanAbsoluteError",
    "MeanMetric",
    "MeanSquaredError",
    "Metric",
    "MetricLike",
    "Precision",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "State",
    "TopKCategoricalAccuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "get",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]

MetricLike: TypeAlias = str | Metric | type[Metric] | Loss | type[Loss] | Callable[[Any, Any], Any]

_KNOWN: Mapping[str, type[Metric]] = {
    snake(kind.__name__): kind
    for kind in (
        BinaryAccuracy,
        CategoricalAccuracy,
        CosineSimilarity,
        Mean,
        MeanAbsoluteError,
        MeanSquaredError,
        Precision,
        Recall,
        RootMeanSquaredError,
        SparseCategoricalAccuracy,
        SparseTopKCategoricalAccuracy,
        TopKCategoricalAccuracy,
    )
} | {"acc": AutoAccuracy, "accuracy": AutoAccuracy}


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
