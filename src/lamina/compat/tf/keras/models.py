"""`tf.keras.models`: Lamina's models, whose `add_weight` takes the arguments of Keras 2 and 3."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import lamina
from lamina import models as _models
from lamina.compat.tf.keras.layers import Layer
from lamina.compat.tf.missing import missing
from lamina.models import Sequential, clone_model, model_from_json

__all__ = [
    "Model",
    "Sequential",
    "clone_model",
    "load_model",
    "model_from_json",
    "save_model",
]


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

    def __new__(cls, *args: Any, **options: Any) -> Any:
        if cls is Model and (args or "inputs" in options):
            return _models.Model(*args, **options)
        return super().__new__(cls, *args, **options)

    @classmethod
    def __subclasshook__(cls, kind: type) -> Any:
        return issubclass(kind, _models.Model) if cls is Model else NotImplemented


def load_model(
    filepath: str | PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """Make the model that `save` wrote; see :func:`lamina.load`.

    Args:
        filepath: the path of the file.
        custom_objects: classes and functions by name; None (default) for none.
        compile: whether to compile the model if it was compiled. Default True.
        safe_mode: has no effect: no code in a file is ever run. Default True.
    """
    return lamina.load(filepath, custom_objects=custom_objects, compile=compile)


def save_model(
    model: _models.Model,
    filepath: str | PathLike[str],
    overwrite: bool = True,
    include_optimizer: bool = True,
) -> None:
    """Write a model to a file; see :meth:`lamina.Model.save`.

    Args:
        model: the model.
        filepath: the path of the file.
        overwrite: whether an existing file is replaced. Default True.
        include_optimizer: whether the file holds the state of the optimizer. Default True.
    """
    model.save(filepath, overwrite=overwrite, include_optimizer=include_optimizer)


def __getattr__(name: str) -> Any:
    raise missing("tf.keras.models", name, __all__)
