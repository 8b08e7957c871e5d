"""The architecture of VGG: stages of convolutions of size 3, each halved by a pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import layers
from lamina.compat.keras.applications.image_model import (
    DOWNLOADS,
    Constructor,
    Ends,
    constructor,
    pooled,
)

__all__ = ["vgg"]

_FILTERS = (64, 128, 256, 512, 512)


def vgg(name: str, convolutions: Sequence[int]) -> Constructor:
    """The constructor of a VGG.

    Args:
        name: the name of the model.
        convolutions: the number of convolutions of each stage.
    """

    def body(x: Any, ends: Ends) -> Any:
        for stage, (filters, count) in enumerate(zip(_FILTERS, convolutions, strict=True), 1):
            for number in range(1, count + 1):
                at = f"block{stage}_conv{number}"
                x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=at)(x)
            x = layers.MaxPooling2D(2, strides=2, name=f"block{stage}_pool")(x)
        if not ends.include_top:
            return pooled(x, ends)
        x = layers.Flatten(name="flatten")(x)
        for at in ("fc1", "fc2"):
            x = layers.Dense(4096, activation="relu", name=at)(x)
        activation = ends.classifier_activation
        return layers.Dense(ends.classes, activation=activation, name="predictions")(x)

    file = f"{name}_weights_tf_dim_ordering_tf_kernels{{notop}}.h5"
    return constructor(name, body, f"{DOWNLOADS}/{name}/{file}", 224)
