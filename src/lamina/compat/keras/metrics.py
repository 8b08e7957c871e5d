"""`keras.metrics`: Lamina's metrics with an internal state."""

from __future__ import annotations

from lamina import metrics
from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded(
    "keras.metrics", {"lamina.compat.tf.keras.metrics": metrics.__all__}
)
