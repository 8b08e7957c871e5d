"""`keras.applications.resnet_v2`: He et al., arXiv 1603.05027: normalized before convolved."""

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
from lamina.compat.keras.applications.resnet import normalized, pooled_stem, stem
from lamina.compat.keras.applications.scalings import scale_to_one as preprocess_input

__all__ = ["ResNet50V2", "ResNet101V2", "ResNet152V2", "decode_predictions", "preprocess_input"]


def _block(x: Any, filters: int, strides: int, name: str, project: bool) -> Any:
    """A bottleneck that normalizes first; its shortcut is projected, or strided, or neither."""
    shortcut = x
    x = normalized(x, f"{name}_preact")
    if project:
        shortcut = layers.Conv2D(4 * filters, 1, strides=strides, name=f"{name}_0_conv")(x)
    elif strides > 1:
        shortcut = layers.MaxPooling2D(1, strides=strides)(shortcut)
    x = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_1_conv")(x)
    x = normalized(x, f"{name}_1")
    x = layers.ZeroPadding2D(1, name=f"{name}_2_pad")(x)
    x = layers.Conv2D(filters, 3, strides=strides, use_bias=False, name=f"{name}_2_conv")(x)
    x = normalized(x, f"{name}_2")
    x = layers.Conv2D(4 * filters, 1, name=f"{name}_3_conv")(x)
    return layers.Add(name=f"{name}_out")([shortcut, x])


def _resnet_v2(name: str, blocks: Sequence[int]) -> Constructor:
    def body(x: Any, ends: Ends) -> Any:
        x = pooled_stem(stem(x))
        for stage, count in enumerate(blocks):
            for block in range(count):
                strides = 2 if stage < 3 and block == count - 1 else 1
                at = f"conv{stage + 2}_block{block + 1}"
                x = _block(x, 64 * 2**stage, strides, at, project=block == 0)
        x = normalized(x, "post")
        return head(x, ends, maximum="max_pool", without_top="avg_pool")

    file = f"{name}_weights_tf_dim_ordering_tf_kernels{{notop}}.h5"
    return constructor(name, body, f"{DOWNLOADS}/resnet/{file}", 224)


ResNet50V2 = _resnet_v2("resnet50v2", (3, 4, 6, 3))
ResNet101V2 = _resnet_v2("resnet101v2", (3, 4, 23, 3))
ResNet152V2 = _resnet_v2("resnet152v2", (3, 8, 36, 3))
