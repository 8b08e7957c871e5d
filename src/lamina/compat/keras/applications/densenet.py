"""`keras.applications.densenet`: Huang et al., arXiv 1608.06993, table 1, growth rate 32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import layers
from lamina.compat.keras.applications.image_model import (
    DOWNLOADS,
    Constructor,
    Ends,
    constructor,
    head,
)
from lamina.compat.keras.applications.imagenet_utils import decode_predictions
from lamina.compat.keras.applications.resnet import normalized
from lamina.compat.keras.applications.scalings import scale_for_torch as preprocess_input

__all__ = ["DenseNet121", "DenseNet169", "DenseNet201", "decode_predictions", "preprocess_input"]

_GROWTH = 32


def _convolved(x: Any, filters: int, kernel: int, name: str) -> Any:
    padding = "valid" if kernel == 1 else "same"
    convolution = layers.Conv2D(filters, kernel, padding=padding, use_bias=False, name=name)
    return convolution(x)


def _block(x: Any, name: str) -> Any:
    """The features so far, with `_GROWTH` new ones."""
    new = _convolved(normalized(x, f"{name}_0"), 4 * _GROWTH, 1, f"{name}_1_conv")
    new = _convolved(normalized(new, f"{name}_1"), _GROWTH, 3, f"{name}_2_conv")
    return layers.Concatenate(name=f"{name}_concat")([x, new])


def _transition(x: Any, name: str) -> Any:
    """Half as many features, of half the height and width."""
    x = _convolved(normalized(x, name), x.shape[-1] // 2, 1, f"{name}_conv")
    return layers.AveragePooling2D(2, strides=2, name=f"{name}_pool")(x)


def _densenet(name: str, blocks: Sequence[int]) -> Constructor:
    def body(x: Any, ends: Ends) -> Any:
        x = layers.ZeroPadding2D(3)(x)
        x = layers.Conv2D(64, 7, strides=2, use_bias=False, name="conv1_conv")(x)
        x = layers.ZeroPadding2D(1)(normalized(x, "conv1"))
        x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
        for stage, count in enumerate(blocks, 2):
            for block in range(1, count + 1):
                x = _block(x, f"conv{stage}_block{block}")
            x = _transition(x, f"pool{stage}") if stage < 5 else x
        x = layers.BatchNormalization(epsilon=1.001e-5, name="bn")(x)
        x = layers.Activation("relu", name="relu")(x)
        return head(x, ends, maximum="max_pool", without_top="avg_pool")

    file = f"{name}_weights_tf_dim_ordering_tf_kernels{{notop}}.h5"
    return constructor(name, body, f"{DOWNLOADS}/densenet/{file}", 224)


DenseNet121 = _densenet("densenet121", (6, 12, 24, 16))
DenseNet169 = _densenet("densenet169", (6, 12, 32, 32))
DenseNet201 = _densenet("densenet201", (6, 12, 48, 32))
