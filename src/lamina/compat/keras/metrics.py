"""`keras.metrics`: Lamina's metrics."""

from __future__ import annotations

from lamina import metrics
from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded("keras.metrics", {"lamina.metrics": metrics.__all__})
