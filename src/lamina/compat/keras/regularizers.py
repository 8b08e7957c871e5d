"""`keras.regularizers`: Lamina's regularizers."""

from __future__ import annotations

from typing import Any

from lamina import regularizers
from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded(
    "keras.regularizers", {"lamina.regularizers": regularizers.__all__}
)


def serialize(regularizer: Any) -> Any:
    """Describe a regularizer as plain data.

    Args:
        regularizer: a regularizer.
    """
    return regularizers.serialize(regularizer)
