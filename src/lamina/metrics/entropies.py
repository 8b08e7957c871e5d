"""Losses as metrics: their mean over examples, under Keras's names."""

from __future__ import annotations

from dataclasses import dataclass

from lamina import losses
from lamina.metrics.metric import BuiltIn

__all__ = [
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
    """The mean of :func:`lamina.losses.sparse_categorical_crossentropy`."""

    function = staticmethod(losses.sparse_categorical_crossentropy)
    direction = "down"
    from_logits: bool = False
    axis: int = -1


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
