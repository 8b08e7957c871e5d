"""`keras.applications.efficientnet`: Tan, Le, arXiv 1905.11946, table 1."""

from __future__ import annotations

import math
from typing import Any

from lamina import layers
from lamina.compat.keras.applications.efficientnet_blocks import (
    classifier_options,
    convolved,
    excited,
    kernel_initializer,
    normalized,
    shortcut,
)
from lamina.compat.keras.applications.image_model import (
    Constructor,
    Ends,
    constructor,
    correct_padding,
    divisible,
    head,
)
from lamina.compat.keras.applications.imagenet_utils import decode_predictions
from lamina.compat.keras.applications.mobile_blocks import strided_depthwise
from lamina.compat.keras.applications.scalings import unscaled as preprocess_input

__all__ = [
    "EfficientNetB0",
    "EfficientNetB1",
    "EfficientNetB2",
    "EfficientNetB3",
    "EfficientNetB4",
    "EfficientNetB5",
    "EfficientNetB6",
    "EfficientNetB7",
    "decode_predictions",
    "preprocess_input",
]

_URL = "https://storage.googleapis.com/keras-applications"
_STAGES = (
    *((1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 40, 2, 5, 2), (6, 80, 3, 3, 2)),
    *((6, 112, 3, 5, 1), (6, 192, 4, 5, 2), (6, 320, 1, 3, 1)),
)
"""Expansion, filters, blocks, kernel, and the strides of the first block."""
_DROPPED = 0.2
_MOMENTUM = 0.99
_DEVIATION = (0.229, 0.224, 0.225)


def _block(
    x: Any, expansion: int, filters: int, kernel: int, strides: int, dropped: float, name: str
) -> Any:
    """An inverted residual with squeeze and excitation."""
    new, channels = x, x.shape[-1]
    if expansion > 1:
        at = f"{name}expand_"
        new = convolved(new, expansion * channels, 1, f"{at}conv")
        new = normalized(new, at, "activation", momentum=_MOMENTUM)
    at = f"{name}dwconv"
    start = kernel_initializer()
    new = strided_depthwise(new, kernel, strides, at, f"{at}_pad", depthwise_initializer=start)
    new = normalized(new, name, "activation", momentum=_MOMENTUM)
    new = excited(new, max(1, channels // 4), name)
    at = f"{name}project_"
    new = normalized(convolved(new, filters, 1, f"{at}conv"), at, momentum=_MOMENTUM)
    return shortcut(x, new, strides, dropped, name)


def _efficientnet(name: str, width: float, depth: float, size: int, dropout: float) -> Constructor:
    counts = [math.ceil(depth * stage[2]) for stage in _STAGES]

    def body(x: Any, ends: Ends) -> Any:
        x = layers.Rescaling(1 / 255)(x)
        x = layers.Normalization(axis=3)(x)
        if ends.weights == "imagenet":  # these were trained with the roots of the deviations
            x = layers.Rescaling([1 / math.sqrt(one) for one in _DEVIATION])(x)
        x = layers.ZeroPadding2D(correct_padding(x, 3), name="stem_conv_pad")(x)
        options: dict[str, Any] = {"strides": 2, "padding": "valid"}
        x = convolved(x, divisible(32 * width), 3, "stem_conv", **options)
        x = normalized(x, "stem_", "activation", momentum=_MOMENTUM)
        number = 0
        for stage, (expansion, filters, _, kernel, first) in enumerate(_STAGES):
            for block in range(counts[stage]):
                strides, at = 1 if block else first, f"block{stage + 1}{chr(97 + block)}_"
                dropped = _DROPPED * number / sum(counts)
                wide = divisible(filters * width)
                x = _block(x, expansion, wide, kernel, strides, dropped, at)
                number += 1
        x = convolved(x, divisible(1280 * width), 1, "top_conv")
        x = normalized(x, "top_", "activation", momentum=_MOMENTUM)
        options = classifier_options()
        return head(x, ends, maximum="max_pool", without_top="avg_pool", dropout=dropout, **options)

    return constructor(name, body, f"{_URL}/{name}{{notop}}.h5", size)


EfficientNetB0 = _efficientnet("efficientnetb0", 1.0, 1.0, 224, 0.2)
EfficientNetB1 = _efficientnet("efficientnetb1", 1.0, 1.1, 240, 0.2)
EfficientNetB2 = _efficientnet("efficientnetb2", 1.1, 1.2, 260, 0.3)
EfficientNetB3 = _efficientnet("efficientnetb3", 1.2, 1.4, 300, 0.3)
EfficientNetB4 = _efficientnet("efficientnetb4", 1.4, 1.8, 380, 0.4)
EfficientNetB5 = _efficientnet("efficientnetb5", 1.6, 2.2, 456, 0.4)
EfficientNetB6 = _efficientnet("efficientnetb6", 1.8, 2.6, 528, 0.5)
EfficientNetB7 = _efficientnet("efficientnetb7", 2.0, 3.1, 600, 0.5)
