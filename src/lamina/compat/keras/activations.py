"""`keras.activations`: Lamina's activations."""

from __future__ import annotations

from lamina import activations
from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded("keras.activations", {"lamina.activations": activations.__all__})
