"""`keras.initializers`: Lamina's initializers."""

from __future__ import annotations

from typing import Any

from lamina import initializers
from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded(
    "keras.initializers", {"lamina.initializers": initializers.__all__}
)


def serialize(initializer: Any) -> Any:
    """Describe an initializer as plain data.

    Args:
        initializer: an initializer.
    """
    return initializers.serialize(initializer)
