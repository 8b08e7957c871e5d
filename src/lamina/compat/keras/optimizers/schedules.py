"""`keras.optimizers.schedules`: learning rates as functions of the step."""

from __future__ import annotations

from lamina.compat.keras.forwarding import forwarded
from lamina.compat.tf.keras import schedules

__getattr__, __dir__ = forwarded(
    "keras.optimizers.schedules",
    {
        "lamina.compat.keras.optimizers.schedule_configs": ["deserialize", "serialize"],
        "lamina.compat.tf.keras.schedules": schedules.__all__,
    },
)
