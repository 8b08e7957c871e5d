"""`keras.applications.efficientnet_v2`: Tan, Le, arXiv 2104.00298, table 4."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from lamina import Model, layers
from lamina.compat.keras.applications.efficientnet_blocks import (
    classifier_options,
    convolved,
    excited,
    kernel_initializer,
    normalized,
    shortcut,
)
from lamina.compat.keras.applications.image_model import (
    DOWNLOADS,
    Constructor,
    Ends,
    Weights,
    head,
    image_input,
    image_model,
)
from lamina.compat.keras.applications.imagenet_utils import decode_predictions
from lamina.compat.keras.applications.mobile_blocks import depthwise
from lamina.compat.keras.applications.scalings import unscaled as preprocess_input

__all__ = [
    "EfficientNetV2B0",
    "EfficientNetV2B1",
    "EfficientNetV2B2",
    "EfficientNetV2B3",
    "EfficientNetV2L",
    "EfficientNetV2M",
    "EfficientNetV2S",
    "decode_predictions",
    "preprocess_input",
]


class _Stage(NamedTuple):
    """A row of the table.

    Attributes:
        expansion: the channels inside, for each channel of the input.
        filters: the channels of the output.
        blocks: the number of blocks.
        strides: the strides of the first block.
        fused: whether one convolution of size 3 stands for expansion and depthwise convolution;
            such a block has no squeeze and excitation.
    """

    expansion: int
    filters: int
    blocks: int
    strides: int
    fused: bool


def _stages(*blocks_and_filters: tuple[int, int]) -> list[_Stage]:
    """The stages, whose other columns are the same in all models."""
    columns = (
        *((1, 1, True), (4, 2, True), (4, 2, True), (4, 2, False)),
        *((6, 1, False), (6, 2, False), (6, 1, False)),
    )
    return [
        _Stage(expansion, filters, blocks, strides, fused)
        for (expansion, strides, fused), (blocks, filters) in zip(
            columns, blocks_and_filters, strict=False
        )
    ]


_B = _stages((1, 16), (2, 32), (2, 48), (3, 96), (5, 112), (8, 192))
_S = _stages((2, 24), (4, 48), (4, 64), (6, 128), (9, 160), (15, 256))
_M = _stages((3, 24), (5, 48), (5, 80), (7, 160), (14, 176), (18, 304), (5, 512))
_L = _stages((4, 32), (7, 64), (7, 96), (10, 192), (19, 224), (25, 384), (7, 640))
_DROPPED = 0.2
_MOMENTUM = 0.9
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


def _eights(channels: float) -> int:
    """The number of channels, rounded to a multiple of 8."""
    return max(8, int(channels + 4) // 8 * 8)


def _fused(x: Any, stage: _Stage, filters: int, strides: int, name: str) -> Any:
    """A convolution of size 3, and one of size 1 if the first expands the channels."""
    kernel, at = 3, f"{name}project_"
    wide = stage.expansion > 1
    if wide:
        inside = f"{name}expand_"
        channels = stage.expansion * x.shape[-1]
        x = convolved(x, channels, kernel, f"{inside}conv", strides=strides)
        x = normalized(x, inside, "activation", momentum=_MOMENTUM)
        kernel, strides = 1, 1
    x = convolved(x, filters, kernel, f"{at}conv", strides=strides)
    return normalized(x, at, None if wide else "activation", momentum=_MOMENTUM)


def _excited(x: Any, stage: _Stage, filters: int, strides: int, name: str) -> Any:
    """An inverted residual with squeeze and excitation."""
    channels, at = x.shape[-1], f"{name}expand_"
    x = convolved(x, stage.expansion * channels, 1, f"{at}conv")
    x = normalized(x, at, "activation", momentum=_MOMENTUM)
    start = kernel_initializer()
    x = depthwise(x, 3, strides, "same", f"{name}dwconv2", depthwise_initializer=start)
    x = normalized(x, name, "activation", momentum=_MOMENTUM)
    x = excited(x, max(1, channels // 4), name)
    at = f"{name}project_"
    return normalized(convolved(x, filters, 1, f"{at}conv"), at, momentum=_MOMENTUM)


def _body(x: Any, ends: Ends, stages: Sequence[_Stage], width: float, depth: float) -> Any:
    stem = 32 if stages is _B else stages[0].filters
    x = convolved(x, _eights(stem * width), 3, "stem_conv", strides=2)
    x = normalized(x, "stem_", "activation", momentum=_MOMENTUM)
    number, total = 0, sum(stage.blocks for stage in stages)
    for place, stage in enumerate(stages, 1):
        for block in range(math.ceil(depth * stage.blocks)):
            strides, name = 1 if block else stage.strides, f"block{place}{chr(97 + block)}_"
            make = _fused if stage.fused else _excited
            new = make(x, stage, _eights(stage.filters * width), strides, name)
            x = shortcut(x, new, strides, _DROPPED * number / total, name)
            number += 1
    x = convolved(x, _eights(1280 * width), 1, "top_conv")
    x = normalized(x, "top_", "activation", momentum=_MOMENTUM)
    options = classifier_options()
    return head(x, ends, maximum="max_pool", without_top="avg_pool", dropout=0.2, **options)


def _efficientnet(
    default: str, stages: Sequence[_Stage], size: int, width: float = 1.0, depth: float = 1.0
) -> Constructor:
    def make(
        include_top: bool = True,
        weights: Weights = "imagenet",
        input_tensor: Any = None,
        input_shape: Sequence[int | None] | None = None,
        pooling: str | None = None,
        classes: int = 1000,
        classifier_activation: Any = "softmax",
        include_preprocessing: bool = True,
        name: str = default,
    ) -> Model:
        """Make the model.

        Args:
            include_preprocessing: bool, whether it takes images of 0 to 255 and scales them
                itself; True by default.
            include_top, weights, input_tensor, input_shape, pooling, classes,
            classifier_activation, name: as for :func:`lamina.compat.keras.applications.VGG16`.
        """
        ends = Ends(
            include_top,
            weights,
            input_tensor,
            input_shape,
            pooling,
            classes,
            classifier_activation,
            name,
        )
        inputs, x = image_input(ends, size)
        if include_preprocessing and stages is not _B:
            x = layers.Rescaling(1 / 128, -1)(x)
        elif include_preprocessing:
            x = layers.Rescaling(1 / 255)(x)
            if x.shape[-1] == 3:
                variance = [one**2 for one in _DEVIATION]
                x = layers.Normalization(mean=list(_MEAN), variance=variance, axis=3)(x)
        notop = "" if include_top else "_notop"
        url = f"{DOWNLOADS}/efficientnet_v2/{default}{notop}.h5"
        return image_model(ends, inputs, _body(x, ends, stages, width, depth), url)

    return make


EfficientNetV2B0 = _efficientnet("efficientnetv2-b0", _B, 224)
EfficientNetV2B1 = _efficientnet("efficientnetv2-b1", _B, 240, 1.0, 1.1)
EfficientNetV2B2 = _efficientnet("efficientnetv2-b2", _B, 260, 1.1, 1.2)
EfficientNetV2B3 = _efficientnet("efficientnetv2-b3", _B, 300, 1.2, 1.4)
EfficientNetV2S = _efficientnet("efficientnetv2-s", _S, 384)
EfficientNetV2M = _efficientnet("efficientnetv2-m", _M, 480)
EfficientNetV2L = _efficientnet("efficientnetv2-l", _L, 480)
