"""`keras.optimizers`: optax transformations, whose updates are those of Keras."""

from __future__ import annotations

from lamina.compat.keras.forwarding import forwarded
from lamina.compat.tf.keras import optimizers

_NAMES = [name for name in optimizers.__all__ if name != "schedules"]

__getattr__, __dir__ = forwarded(
    "keras.optimizers",
    {
        "lamina.compat.keras.optimizers.base": ["Optimizer", "deserialize", "get", "serialize"],
        "lamina.compat.keras.optimizers.multi": ["MultiOptimizer", "OptimizerMap"],
        "lamina.compat.tf.keras.optimizers": _NAMES,
    },
    ("legacy", "schedules"),
)
