"""`keras.legacy`, with `saving` only."""

from __future__ import annotations

from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded("keras.legacy", {}, ("saving",))
