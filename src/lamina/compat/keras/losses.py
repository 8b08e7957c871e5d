"""`keras.losses`: Lamina's losses."""

from __future__ import annotations

from lamina import losses
from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded("keras.losses", {"lamina.losses": losses.__all__})
