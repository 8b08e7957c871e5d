"""`keras.models`: Lamina's models; files and JSON may refer to registered classes and functions."""

from __future__ import annotations

from lamina.compat.keras.forwarding import forwarded
from lamina.compat.tf.keras import models

_WITH_REGISTERED = ["load_model", "model_from_json"]

__getattr__, __dir__ = forwarded(
    "keras.models",
    {
        "lamina.compat.tf.keras.models": [*set(models.__all__) - set(_WITH_REGISTERED)],
        "lamina.compat.keras.saving": _WITH_REGISTERED,
    },
)
