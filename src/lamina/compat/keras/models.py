"""`keras.models`: Lamina's models; files and JSON may refer to registered classes and functions."""

from __future__ import annotations

from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded(
    "keras.models",
    {
        "lamina.compat.keras.saving": ("load_model", "save_model"),
        "lamina.compat.tf.keras.models": ("Model", "Sequential", "clone_model", "model_from_json"),
    },
)
