"""`tf.keras`."""

from __future__ import annotations

from typing import Any

from lamina import Input, activations, constraints, initializers, losses, regularizers
from lamina.compat.tf.keras import layers, metrics, models, optimizers, preprocessing, utils
from lamina.compat.tf.keras.models import Model, Sequential
from lamina.compat.tf.missing import missing
from lamina.training import callbacks

__all__ = [
    "Input",
    "Model",
    "Sequential",
    "activations",
    "callbacks",
    "constraints",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "preprocessing",
    "regularizers",
    "utils",
]


def __getattr__(name: str) -> Any:
    raise missing("tf.keras", name, __all__)
