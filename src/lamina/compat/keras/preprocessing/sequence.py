"""`keras.preprocessing.sequence`: padding of sequences."""

from __future__ import annotations

from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded(
    "keras.preprocessing.sequence", {"lamina.compat.tf.keras.utils": ("pad_sequences",)}
)
