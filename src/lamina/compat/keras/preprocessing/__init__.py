"""`keras.preprocessing`: images, sequences and data sets."""

from __future__ import annotations

from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded("keras.preprocessing", {}, ("image", "sequence"))
