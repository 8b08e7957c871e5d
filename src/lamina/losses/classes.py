"""Losses as objects that keep their options: the functions of this package, reduced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax

from lamina.errors import InputError, explain
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
from lamina.losses.loss import BuiltIn
from lamina.losses.overlap import circle, dice, tversky
from lamina.losses.sequences import ctc
from lamina.losses.shapes import match_labels
from lamina.narrowing import array_of

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
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
]


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
        labels, _ = match_labels(array_of(y_true), array_of(y_pred), self.axis)
        return labels != self.ignore_class


@dataclass(eq=False)
class BinaryFocalCrossentropy(BuiltIn):
    """:func:`binary_focal_crossentropy`, reduced."""

    function = staticmethod(binary_focal_crossentropy)
    apply_class_balancing: bool = False
    alpha: float = 0.25
    gamma: float = 2.0
    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1


@dataclass(eq=False)
class CategoricalFocalCrossentropy(BuiltIn):
    """:func:`categorical_focal_crossentropy`, reduced."""

    function = staticmethod(categorical_focal_crossentropy)
    alpha: float = 0.25
    gamma: float = 2.0
    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1


@dataclass(eq=False)
class CategoricalGeneralizedCrossEntropy(BuiltIn):
    """:func:`categorical_generalized_cross_entropy`, reduced."""

    function = staticmethod(categorical_generalized_cross_entropy)
    q: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.q < 1:
            raise InputError(
                explain(
                    "CategoricalGeneralizedCrossEntropy got a q that means nothing.",
                    expected="a number between 0 and 1",
                    received=repr(self.q),
                    remedy="Choose 0.5, or 0.7 where many labels are wrong.",
                )
            )


@dataclass(eq=False)
class Dice(BuiltIn):
    """:func:`dice`, reduced."""

    function = staticmethod(dice)
    axis: int | Sequence[int] | None = None


@dataclass(eq=False)
class Tversky(BuiltIn):
    """:func:`tversky`, reduced."""

    function = staticmethod(tversky)
    alpha: float = 0.5
    beta: float = 0.5
    axis: int | Sequence[int] | None = None


@dataclass(eq=False)
class Circle(BuiltIn):
    """:func:`circle`, reduced; embeddings that stand well already do not count in the mean."""

    function = staticmethod(circle)
    gamma: float = 80.0
    margin: float = 0.4
    remove_diagonal: bool = True

    def mask(self, y_true: Any, y_pred: Any) -> jax.Array | None:
        return self.per_example(y_true, y_pred) > 0


class CTC(BuiltIn):
    """:func:`ctc`, reduced."""

    function = staticmethod(ctc)
