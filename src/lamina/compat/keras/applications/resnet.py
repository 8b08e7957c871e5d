"""`keras.applications.resnet`: He et al., arXiv 1512.03385, table 1."""

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
from lamina.compat.keras.applications.scalings import scale_for_caffe as preprocess_input

__all__ = ["ResNet50", "ResNet101", "ResNet152", "decode_predictions", "preprocess_input"]


def normalized(x: Any, name: str, *, relu: bool = True, act: str = "relu") -> Any:
    """A batch normalization and, unless left out, a ReLU."""
    x = layers.BatchNormalization(epsilon=1.001e-5, name=f"{name}_bn")(x)
    return layers.Activation("relu", name=f"{name}_{act}")(x) if relu else x


def stem(x: Any) -> Any:
    """The first convolution, of size 7 and stride 2."""
    x = layers.ZeroPadding2D(3, name="conv1_pad")(x)
    return layers.Conv2D(64, 7, strides=2, name="conv1_conv")(x)


def pooled_stem(x: Any) -> Any:
    """The pooling after the first convolution."""
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    return layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)


def _block(x: Any, filters: int, strides: int, name: str, project: bool) -> Any:
    """A bottleneck: convolutions of size 1, 3 and 1, and a shortcut."""
    shortcut = x
    if project:
        shortcut = layers.Conv2D(4 * filters, 1, strides=strides, name=f"{name}_0_conv")(x)
        shortcut = normalized(shortcut, f"{name}_0", relu=False)
    x = layers.Conv2D(filters, 1, strides=strides, name=f"{name}_1_conv")(x)
    x = normalized(x, f"{name}_1")
    x = layers.Conv2D(filters, 3, padding="same", name=f"{name}_2_conv")(x)
    x = normalized(x, f"{name}_2")
    x = layers.Conv2D(4 * filters, 1, name=f"{name}_3_conv")(x)
    x = normalized(x, f"{name}_3", relu=False)
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.Activation("relu", name=f"{name}_out")(x)


def _resnet(name: str, blocks: Sequence[int]) -> Constructor:
    def body(x: Any, ends: Ends) -> Any:
        x = pooled_stem(normalized(stem(x), "conv1"))
        for stage, count in enumerate(blocks):
            for block in range(count):
                strides = 2 if stage > 0 and block == 0 else 1
                at = f"conv{stage + 2}_block{block + 1}"
                x = _block(x, 64 * 2**stage, strides, at, project=block == 0)
        return head(x, ends, maximum="max_pool", without_top="avg_pool")

    file = f"{name}_weights_tf_dim_ordering_tf_kernels{{notop}}.h5"
    return constructor(name, body, f"{DOWNLOADS}/resnet/{file}", 224)


ResNet50 = _resnet("resnet50", (3, 4, 6, 3))
ResNet101 = _resnet("resnet101", (3, 4, 23, 3))
ResNet152 = _resnet("resnet152", (3, 8, 36, 3))
