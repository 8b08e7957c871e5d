"""`keras.visualization`: each name is an error that says what serves instead."""

from __future__ import annotations

from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded("keras.visualization", {})
