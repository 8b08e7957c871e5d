"""`tf.keras.models`: Lamina's models, with Keras's signatures of `add_weight`."""

from __future__ import annotations

from typing import Any

import lamina
from lamina import models as _models
from lamina.compat.tf.keras.layers import Layer
from lamina.compat.tf.missing import missing
from lamina.models import Sequential, clone_model

__all__ = ["Model", "Sequential", "clone_model"]


class Model(_models.Model, Layer):
    """`lamina.Model` with Keras's signatures of `add_weight`. Every model is an instance of it."""

    @classmethod
    def __subclasshook__(cls, kind: type) -> Any:
        return issubclass(kind, _models.Model) if cls is Model else NotImplemented


def __getattr__(name: str) -> Any:
    if name == "load_model":
        return lamina.load
    raise missing("tf.keras.models", name, __all__)
