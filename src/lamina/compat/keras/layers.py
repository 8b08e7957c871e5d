"""`keras.layers`: Lamina's layers, and a `Layer` whose `add_weight` takes Keras's arguments."""

from __future__ import annotations

from lamina.compat.keras.forwarding import forwarded
from lamina.compat.tf.keras import layers

__getattr__, __dir__ = forwarded(
    "keras.layers",
    {
        "lamina.compat.tf.keras.layers": layers.__all__,
        "lamina.compat.keras.wrapped_functions": ("FlaxLayer", "JaxLayer"),
        "lamina.compat.keras.wrapped_layers": ("Wrapper",),
    },
)
