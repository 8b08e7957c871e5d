"""`keras.models`: Lamina's models."""

from __future__ import annotations

from lamina.compat.keras.forwarding import forwarded
from lamina.compat.tf.keras import models

__getattr__, __dir__ = forwarded(
    "keras.models",
    {
        "lamina.compat.tf.keras.models": models.__all__,
        "lamina.compat.keras.saving": ("load_model",),
    },
)
