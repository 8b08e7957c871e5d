"""`keras.utils.legacy`: objects as plain data."""

from __future__ import annotations

from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded(
    "keras.utils.legacy",
    {"lamina.compat.keras.legacy.saving": ("deserialize_keras_object", "serialize_keras_object")},
)
