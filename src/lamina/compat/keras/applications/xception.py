"""`keras.applications.xception`: Chollet, arXiv 1610.02357, figure 5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import layers
from lamina.compat.keras.applications.image_model import DOWNLOADS, Ends, constructor, head
from lamina.compat.keras.applications.imagenet_utils import decode_predictions
from lamina.compat.keras.applications.scalings import scale_to_one as preprocess_input

__all__ = ["Xception", "decode_predictions", "preprocess_input"]


def _relu(x: Any, name: str) -> Any:
    return layers.Activation("relu", name=f"{name}_act")(x)


def _convolved(x: Any, filters: int, strides: int, name: str) -> Any:
    x = layers.Conv2D(filters, 3, strides=strides, use_bias=False, name=name)(x)
    return _relu(layers.BatchNormalization(name=f"{name}_bn")(x), name)


def _separable(x: Any, filters: int, name: str) -> Any:
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)


def _separables(x: Any, filters: Sequence[int], name: str, *, relu_first: bool = True) -> Any:
    for number, count in enumerate(filters, 1):
        at = f"{name}_sepconv{number}"
        x = _separable(_relu(x, at) if relu_first or number > 1 else x, count, at)
    return x


def _halving(x: Any, filters: Sequence[int], name: str, **options: Any) -> Any:
    """Separable convolutions and a pooling of stride 2, and a strided shortcut."""
    size = filters[-1]
    shortcut = layers.Conv2D(size, 1, strides=2, padding="same", use_bias=False)(x)
    shortcut = layers.BatchNormalization()(shortcut)
    x = _separables(x, filters, name, **options)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x)
    return layers.Add()([x, shortcut])


def _body(x: Any, ends: Ends) -> Any:
    x = _convolved(x, 32, 2, "block1_conv1")
    x = _convolved(x, 64, 1, "block1_conv2")
    x = _halving(x, (128, 128), "block2", relu_first=False)
    x = _halving(x, (256, 256), "block3")
    x = _halving(x, (728, 728), "block4")
    for block in range(5, 13):
        x = layers.Add()([_separables(x, (728, 728, 728), f"block{block}"), x])
    x = _halving(x, (728, 1024), "block13")
    for number, filters in enumerate((1536, 2048), 1):
        name = f"block14_sepconv{number}"
        x = _relu(_separable(x, filters, name), name)
    return head(x, ends)


_FILE = "xception_weights_tf_dim_ordering_tf_kernels{notop}.h5"
Xception = constructor("xception", _body, f"{DOWNLOADS}/xception/{_FILE}", 299, 71)
