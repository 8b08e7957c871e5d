"""`keras.callbacks`: Lamina's callbacks."""

from __future__ import annotations

from lamina.compat.keras.forwarding import forwarded
from lamina.training import callbacks

__getattr__, __dir__ = forwarded(
    "keras.callbacks",
    {
        "lamina.compat.keras.monitors": ("ProgbarLogger", "RemoteMonitor"),
        "lamina.training.callbacks": callbacks.__all__,
    },
)
