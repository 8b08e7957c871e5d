"""`keras.initializers`: Lamina's initializers."""

from __future__ import annotations

from lamina import initializers
from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded(
    "keras.initializers", {"lamina.initializers": initializers.__all__}
)
