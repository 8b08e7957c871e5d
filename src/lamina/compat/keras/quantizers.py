"""`keras.quantizers`: Lamina's quantizers."""

from __future__ import annotations

from lamina import quantizers
from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded(
    "keras.quantizers",
    {"lamina.quantizers": [name for name in quantizers.__all__ if name != "resolve"]},
)
