"""`keras.metrics`: Lamina's metrics."""

from __future__ import annotations

from typing import Any

from lamina import metrics
from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded("keras.metrics", {"lamina.metrics": metrics.__all__})


def serialize(metric: Any) -> Any:
    """Describe a metric as plain data.

    Args:
        metric: a metric.
    """
    return metrics.serialize(metric)
