"""`tf.keras.metrics`: Lamina's metrics, under the names of Keras."""

from __future__ import annotations

from typing import Any

from lamina import metrics as _metrics
from lamina.compat.tf.missing import missing

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    found: Any = getattr(_metrics, name, None)
    if name.startswith("_") or found is None:
        raise missing("tf.keras.metrics", name, _metrics.__all__)
    return found
