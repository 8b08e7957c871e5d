"""`tf.keras`."""

from __future__ import annotations

from typing import Any

from lamina import activations, initializers, losses
from lamina.compat.tf.keras import layers, metrics, models, optimizers
from lamina.compat.tf.keras.models import Model, Sequential
from lamina.compat.tf.missing import missing

__all__ = [
    "Model",
    "Sequential",
    "activations",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
]


def __getattr__(name: str) -> Any:
    raise missing("tf.keras", name, __all__)
