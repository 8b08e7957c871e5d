"""`keras.legacy.saving`: objects as plain data."""

from __future__ import annotations

from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded(
    "keras.legacy.saving",
    {"lamina.compat.keras.saving": ("deserialize_keras_object", "serialize_keras_object")},
)
