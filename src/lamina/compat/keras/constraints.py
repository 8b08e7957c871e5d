"""`keras.constraints`: Lamina's constraints."""

from __future__ import annotations

from lamina import constraints
from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded("keras.constraints", {"lamina.constraints": constraints.__all__})
