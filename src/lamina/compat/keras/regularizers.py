"""`keras.regularizers`: Lamina's regularizers."""

from __future__ import annotations

from lamina import regularizers
from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded(
    "keras.regularizers", {"lamina.regularizers": regularizers.__all__}
)
