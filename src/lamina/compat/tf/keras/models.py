"""`tf.keras.models`: Lamina's models, whose `add_weight` takes the arguments of Keras 2 and 3."""

from __future__ import annotations

from typing import Any

import lamina
from lamina import models as _models
from lamina.compat.tf.keras.layers import Layer
from lamina.compat.tf.missing import missing
from lamina.models import Sequential, clone_model, model_from_json

__all__ = ["Model", "Sequential", "clone_model", "model_from_json"]


class Model(_models.Model, Layer):
    """`lamina.Model`, with the `add_weight` of Keras 2 and 3; all models are instances of it.

    Args:
        inputs: see :class:`lamina.Model`.
        outputs: see :class:`lamina.Model`.
        **options: ``name``, ``trainable`` and ``dtype``.

    >>> import lamina
    >>> isinstance(lamina.Sequential(), Model)
    True
    """

    @classmethod
    def __subclasshook__(cls, kind: type) -> Any:
        return issubclass(kind, _models.Model) if cls is Model else NotImplemented


def __getattr__(name: str) -> Any:
    if name == "load_model":
        return lamina.load
    raise missing("tf.keras.models", name, __all__)
