"""MobileNetV3: Howard et al., arXiv 1905.02244, tables 1 and 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from lamina import Model, layers
from lamina.compat.keras.applications.image_model import (
    DOWNLOADS,
    Constructor,
    Ends,
    Weights,
    check_trained,
    divisible,
    image_input,
    image_model,
    pooled,
)
from lamina.compat.keras.applications.mobile_blocks import strided_depthwise

__all__ = ["MobileNetV3Large", "MobileNetV3Small"]


class _Block(NamedTuple):
    """A row of the tables.

    Attributes:
        expansion: the channels inside, for each channel of the input.
        filters: the channels of the output.
        kernel: the size of the depthwise convolution.
        strides: its strides.
        excited: whether channels are scaled by squeeze and excitation.
        hard: whether the activation is hard swish, not ReLU.
    """

    expansion: float
    filters: int
    kernel: int
    strides: int
    excited: bool
    hard: bool


_SMALL = (
    _Block(1, 16, 3, 2, True, False),
    _Block(72 / 16, 24, 3, 2, False, False),
    _Block(88 / 24, 24, 3, 1, False, False),
    _Block(4, 40, 5, 2, True, True),
    _Block(6, 40, 5, 1, True, True),
    _Block(6, 40, 5, 1, True, True),
    _Block(3, 48, 5, 1, True, True),
    _Block(3, 48, 5, 1, True, True),
    _Block(6, 96, 5, 2, True, True),
    _Block(6, 96, 5, 1, True, True),
    _Block(6, 96, 5, 1, True, True),
)
_LARGE = (
    _Block(1, 16, 3, 1, False, False),
    _Block(4, 24, 3, 2, False, False),
    _Block(3, 24, 3, 1, False, False),
    _Block(3, 40, 5, 2, True, False),
    _Block(3, 40, 5, 1, True, False),
    _Block(3, 40, 5, 1, True, False),
    _Block(6, 80, 3, 2, False, True),
    _Block(2.5, 80, 3, 1, False, True),
    _Block(2.3, 80, 3, 1, False, True),
    _Block(2.3, 80, 3, 1, False, True),
    _Block(6, 112, 3, 1, True, True),
    _Block(6, 112, 3, 1, True, True),
    _Block(6, 160, 5, 2, True, True),
    _Block(6, 160, 5, 1, True, True),
    _Block(6, 160, 5, 1, True, True),
)


def _activated(x: Any, hard: bool) -> Any:
    return layers.Activation("hard_silu")(x) if hard else layers.ReLU()(x)


def _normalized(x: Any, name: str) -> Any:
    return layers.BatchNormalization(momentum=0.999, name=f"{name}_bn")(x)


def _pointwise(x: Any, filters: int, name: str, *, bias: bool = False) -> Any:
    return layers.Conv2D(filters, 1, padding="same", use_bias=bias, name=name)(x)


def _excited(x: Any, name: str) -> Any:
    """The channels, each scaled by a function of the means of all."""
    channels = x.shape[-1]
    scale = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_avg_pool")(x)
    scale = _pointwise(scale, divisible(channels * 0.25), f"{name}_conv", bias=True)
    scale = layers.ReLU(name=f"{name}_relu")(scale)
    scale = _pointwise(scale, channels, f"{name}_conv_1", bias=True)
    scale = layers.ReLU(6.0)(scale + 3.0) * (1 / 6)
    return layers.Multiply(name=f"{name}_mul")([x, scale])


def _block(x: Any, row: _Block, filters: int, name: str, *, expand: bool) -> Any:
    """An inverted residual with squeeze and excitation."""
    new, channels = x, x.shape[-1]
    if expand:
        new = _pointwise(new, divisible(channels * row.expansion), f"{name}_expand")
        new = _activated(_normalized(new, f"{name}_expand"), row.hard)
    at = f"{name}_depthwise"
    new = strided_depthwise(new, row.kernel, row.strides, at, f"{at}_pad")
    new = _activated(_normalized(new, at), row.hard)
    if row.excited:
        new = _excited(new, f"{name}_squeeze_excite")
    at = f"{name}_project"
    new = _normalized(_pointwise(new, filters, at), at)
    same = row.strides == 1 and channels == filters
    return layers.Add(name=f"{name}_add")([x, new]) if same else new


def _head(x: Any, ends: Ends, channels: int, dropout: float, hard: bool) -> Any:
    if not ends.include_top:
        return pooled(x, ends, "avg_pool", "max_pool")
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = _activated(_pointwise(x, channels, "conv_2", bias=True), hard)
    if dropout > 0:
        x = layers.Dropout(dropout)(x)
    x = layers.Flatten()(_pointwise(x, ends.classes, "logits", bias=True))
    return layers.Activation(ends.classifier_activation, name="predictions")(x)


def _mobilenet(default: str, kind: str, rows: Sequence[_Block], last: int) -> Constructor:
    def make(
        input_shape: Sequence[int | None] | None = None,
        alpha: float = 1.0,
        minimalistic: bool = False,
        include_top: bool = True,
        weights: Weights = "imagenet",
        input_tensor: Any = None,
        classes: int = 1000,
        pooling: str | None = None,
        dropout_rate: float = 0.2,
        classifier_activation: Any = "softmax",
        include_preprocessing: bool = True,
        name: str = default,
    ) -> Model:
        """Make the model.

        Args:
            alpha: positive float, what the filters are multiplied by; 1 by default.
            minimalistic: bool, whether to leave out kernels of size 5, hard swish, and squeeze and
                excitation; False by default.
            dropout_rate: float, the rate before the classifier; 0.2 by default.
            include_preprocessing: bool, whether it takes images of 0 to 255 and scales them
                itself; True by default.
            input_shape, include_top, weights, input_tensor, classes, pooling,
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
        check_trained(weights, "alpha", alpha, (1.0,) if minimalistic else (0.75, 1.0))
        inputs, x = image_input(ends, 224, open_top=True)
        x = layers.Rescaling(1 / 127.5, -1.0)(x) if include_preprocessing else x
        strides: dict[str, Any] = {"strides": 2, "padding": "same", "use_bias": False}
        x = layers.Conv2D(16, 3, name="conv", **strides)(x)
        x = _activated(_normalized(x, "conv"), not minimalistic)
        for number, row in enumerate(rows):
            if minimalistic:
                row = row._replace(kernel=3, excited=False, hard=False)
            at = f"expanded_conv_{number}" if number else "expanded_conv"
            x = _block(x, row, divisible(row.filters * alpha), at, expand=number > 0)
        x = _normalized(_pointwise(x, divisible(x.shape[-1] * 6), "conv_1"), "conv_1")
        x = _activated(x, not minimalistic)
        wide = divisible(last * alpha) if alpha > 1 else last
        x = _head(x, ends, wide, dropout_rate, not minimalistic)
        small = f"{kind}{'_minimalistic' if minimalistic else ''}_224_{float(alpha)}_float"
        file = f"weights_mobilenet_v3_{small}{'' if include_top else '_no_top_v2'}.h5"
        return image_model(ends, inputs, x, f"{DOWNLOADS}/mobilenet_v3/{file}")

    return make


MobileNetV3Small = _mobilenet("MobileNetV3Small", "small", _SMALL, 1024)
MobileNetV3Large = _mobilenet("MobileNetV3Large", "large", _LARGE, 1280)
