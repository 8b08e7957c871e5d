"""Losses as metrics: their mean over examples, under Keras's names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
from jax.typing import ArrayLike

from lamina import losses
from lamina.metrics.metric import BuiltIn, LossMetric, MeanMetric, State, fitting

__all__ = [
    "AutoCrossentropy",
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "Hinge",
    "KLDivergence",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
]


@dataclass(eq=False)
class BinaryCrossentropy(BuiltIn):
    """The mean of :func:`lamina.losses.binary_crossentropy`."""

    function = staticmethod(losses.binary_crossentropy)
    direction = "down"
    from_logits: bool = False
    label_smoothing: float = 0.0


@dataclass(eq=False)
class CategoricalCrossentropy(BuiltIn):
    """The mean of :func:`lamina.losses.categorical_crossentropy`."""

    function = staticmethod(losses.categorical_crossentropy)
    direction = "down"
    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1


@dataclass(eq=False)
class SparseCategoricalCrossentropy(BuiltIn):
    """The mean of :func:`lamina.losses.sparse_categorical_crossentropy`.

    Labels of `ignore_class` do not count, as Keras has it where examples are weighted.
    """

    function = staticmethod(losses.sparse_categorical_crossentropy)
    direction = "down"
    from_logits: bool = False
    ignore_class: int | None = None
    axis: int = -1

    def update(
        self,
        state: State,
        y_true: Any,
        y_pred: Any = None,
        /,
        sample_weight: ArrayLike | None = None,
    ) -> State:
        loss = losses.SparseCategoricalCrossentropy(self.from_logits, self.ignore_class, self.axis)
        return LossMetric(loss).update(state, y_true, y_pred, sample_weight=sample_weight)


class AutoCrossentropy(MeanMetric):
    """What `"crossentropy"` stands for: that which the shapes of labels and predictions fit.

    It is chosen as :class:`lamina.metrics.AutoAccuracy` chooses; predictions are probabilities.
    """

    direction = "down"

    def values(self, y_true: Any, y_pred: Any) -> jax.Array:
        kinds = (
            losses.binary_crossentropy,
            losses.sparse_categorical_crossentropy,
            losses.categorical_crossentropy,
        )
        return fitting(kinds, y_true, y_pred)


class KLDivergence(BuiltIn):
    """The mean of :func:`lamina.losses.kl_divergence`."""

    function = staticmethod(losses.kl_divergence)
    direction = "down"


class Poisson(BuiltIn):
    """The mean of :func:`lamina.losses.poisson`."""

    function = staticmethod(losses.poisson)
    direction = "down"


class Hinge(BuiltIn):
    """The mean of :func:`lamina.losses.hinge`."""

    function = staticmethod(losses.hinge)
    direction = "down"


class SquaredHinge(BuiltIn):
    """The mean of :func:`lamina.losses.squared_hinge`."""

    function = staticmethod(losses.squared_hinge)
    direction = "down"


class CategoricalHinge(BuiltIn):
    """The mean of :func:`lamina.losses.categorical_hinge`."""

    function = staticmethod(losses.categorical_hinge)
    direction = "down"
