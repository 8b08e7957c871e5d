"""`keras.layers`: Lamina's layers, and a `Layer` whose `add_weight` takes Keras's arguments."""

from __future__ import annotations

from typing import Any

import lamina
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


def serialize(layer: Any) -> Any:
    """Describe a layer as plain data.

    Args:
        layer: a layer.
    """
    return lamina.serialize(layer)
