"""`tf.keras.models`: Lamina's models, with Keras's forms of `add_weight`."""

from __future__ import annotations

from typing import Any

import lamina
from lamina import models as _models
from lamina.compat.tf.keras.layers import Layer
from lamina.compat.tf.missing import missing
from lamina.models import Sequential
from lamina.saving import clone

__all__ = ["Model", "Sequential", "clone_model"]


class Model(_models.Model, Layer):
    """`lamina.Model`, of which every model counts as an instance."""

    @classmethod
    def __subclasshook__(cls, kind: type) -> Any:
        return issubclass(kind, _models.Model) if cls is Model else NotImplemented


def clone_model(model: lamina.Layer) -> Any:
    """A model of the same class and arguments with weights of its own, drawn anew.

    >>> from lamina import Input, layers
    >>> model = Sequential([Input((3,)), layers.Dense(2)])
    >>> clone_model(model).layers[0].kernel is model.layers[0].kernel
    False
    """
    return clone(model)


def __getattr__(name: str) -> Any:
    if name == "load_model":
        return lamina.load
    raise missing("tf.keras.models", name, __all__)
