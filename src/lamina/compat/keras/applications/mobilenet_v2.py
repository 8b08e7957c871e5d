"""`keras.applications.mobilenet_v2`: Sandler et al., arXiv 1801.04381, table 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import Model, layers
from lamina.compat.keras.applications.image_model import (
    DOWNLOADS,
    Ends,
    Weights,
    check_trained,
    divisible,
    head,
    image_input,
    image_model,
)
from lamina.compat.keras.applications.imagenet_utils import decode_predictions
from lamina.compat.keras.applications.mobile_blocks import strided_depthwise
from lamina.compat.keras.applications.scalings import scale_to_one as preprocess_input

__all__ = ["MobileNetV2", "decode_predictions", "preprocess_input"]

_STAGES = (
    *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)
"""Expansion, filters, blocks, and the strides of the first block."""
_ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
_SIZES = (96, 128, 160, 192, 224)


def _normalized(x: Any, name: str) -> Any:
    return layers.BatchNormalization(momentum=0.999, name=name)(x)


def _pointwise(x: Any, filters: int, name: str, padding: str = "same") -> Any:
    return layers.Conv2D(filters, 1, padding=padding, use_bias=False, name=name)(x)


def _block(x: Any, expansion: int, filters: int, strides: int, name: str) -> Any:
    """An inverted residual: more channels, a depthwise convolution, and fewer channels."""
    new, channels = x, x.shape[-1]
    if expansion > 1:
        new = _pointwise(new, expansion * channels, f"{name}_expand")
        new = _normalized(new, f"{name}_expand_BN")
        new = layers.ReLU(6.0, name=f"{name}_expand_relu")(new)
    new = strided_depthwise(new, 3, strides, f"{name}_depthwise", f"{name}_pad")
    new = _normalized(new, f"{name}_depthwise_BN")
    new = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(new)
    new = _normalized(_pointwise(new, filters, f"{name}_project"), f"{name}_project_BN")
    same = channels == filters and strides == 1
    return layers.Add(name=f"{name}_add")([x, new]) if same else new


def MobileNetV2(  # noqa: N802 - Keras's name
    input_shape: Sequence[int | None] | None = None,
    alpha: float = 1.0,
    include_top: bool = True,
    weights: Weights = "imagenet",
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str | None = None,
) -> Model:
    """Make a MobileNetV2.

    Args:
        alpha: positive float, what the filters are multiplied by; 1 by default.
        name: None (default) for ``mobilenetv2_`` with alpha and the height.
        input_shape, include_top, weights, input_tensor, pooling, classes, classifier_activation:
            as for :func:`lamina.compat.keras.applications.VGG16`.

    Raises:
        InputError: options contradict each other, or the weights of ImageNet are not in Keras's
            cache.

    >>> MobileNetV2((32, 32, 3), weights=None, include_top=False).count_params()
    2257984
    """
    ends = Ends(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation
    )
    check_trained(weights, "alpha", alpha, _ALPHAS)
    inputs, images = image_input(ends, 224, sizes=_SIZES)
    strides: dict[str, Any] = {"strides": 2, "padding": "same", "use_bias": False}
    x = layers.Conv2D(divisible(32 * alpha), 3, name="Conv1", **strides)(images)
    x = layers.ReLU(6.0, name="Conv1_relu")(_normalized(x, "bn_Conv1"))
    number = 0
    for expansion, filters, count, first in _STAGES:
        for block in range(count):
            at = f"block_{number}" if number else "expanded_conv"
            x = _block(x, expansion, divisible(filters * alpha), 1 if block else first, at)
            number += 1
    last = divisible(1280 * alpha) if alpha > 1 else 1280
    x = _normalized(_pointwise(x, last, "Conv_1", "valid"), "Conv_1_bn")
    x = head(layers.ReLU(6.0, name="out_relu")(x), ends, None)
    height = images.shape[1]
    ends = ends._replace(name=name or f"mobilenetv2_{alpha:0.2f}_{height}")
    size, notop = height if height in _SIZES else 224, "" if include_top else "_no_top"
    file = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_{size}{notop}.h5"
    return image_model(ends, inputs, x, f"{DOWNLOADS}/mobilenet_v2/{file}")
