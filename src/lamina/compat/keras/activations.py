"""`keras.activations`: Lamina's activations."""

from __future__ import annotations

from typing import Any

from lamina import activations
from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded("keras.activations", {"lamina.activations": activations.__all__})


def serialize(activation: Any) -> Any:
    """Describe an activation as plain data.

    Args:
        activation: an activation.
    """
    return activations.serialize(activation)
