"""`keras.applications.convnext`: Liu et al., arXiv 2201.03545, section 3 and appendix A."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import jax

import lamina
from lamina import Model, Sequential, layers
from lamina.compat.keras.applications.image_model import (
    DOWNLOADS,
    Constructor,
    Ends,
    Weights,
    image_input,
    image_model,
    pooled,
)
from lamina.compat.keras.applications.imagenet_utils import decode_predictions
from lamina.compat.keras.applications.scalings import unscaled as preprocess_input
from lamina.options import LayerOptions

__all__ = [
    "ConvNeXtBase",
    "ConvNeXtLarge",
    "ConvNeXtSmall",
    "ConvNeXtTiny",
    "ConvNeXtXLarge",
    "LayerScale",
    "decode_predictions",
    "preprocess_input",
]

_EPSILON = 1e-6
_MEAN = (123.675, 116.28, 103.53)
_DEVIATION = (58.395, 57.12, 57.375)


class LayerScale(lamina.Layer):
    """Scales each channel by a weight: ``y = gamma x``. Shapes: any, unchanged; gamma [channels].

    Args:
        init_values: float, the initial value of gamma.
        projection_dim: positive int, the number of channels.
        **options: as for every :class:`lamina.Layer`.

    >>> import jax.numpy as jnp
    >>> LayerScale(0.5, 2)(jnp.array([[2.0, 4.0]])).tolist()
    [[1.0, 2.0]]
    """

    def __init__(
        self, init_values: float, projection_dim: int, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        self.init_values, self.projection_dim = init_values, projection_dim

    def build(self, input_shape: Any) -> None:
        start = lamina.initializers.Constant(self.init_values)
        self.gamma = self.add_weight((self.projection_dim,), start)

    def call(self, inputs: jax.Array) -> jax.Array:
        return inputs * self.gamma


def _normalized(name: str | None) -> Any:
    return layers.LayerNormalization(epsilon=_EPSILON, name=name)


def _block(x: Any, channels: int, name: str) -> Any:
    """A depthwise convolution of size 7, two layers on each position, and a scaled shortcut."""
    depthwise = layers.Conv2D(
        channels, 7, padding="same", groups=channels, name=f"{name}_depthwise_conv"
    )
    new = _normalized(f"{name}_layernorm")(depthwise(x))
    new = layers.Dense(4 * channels, name=f"{name}_pointwise_conv_1")(new)
    new = layers.Activation("gelu", name=f"{name}_gelu")(new)
    new = layers.Dense(channels, name=f"{name}_pointwise_conv_2")(new)
    new = LayerScale(1e-6, channels, name=f"{name}_layer_scale")(new)
    new = layers.Activation("linear", name=f"{name}_identity")(new)
    return x + new


def _downsampling(name: str, number: int, channels: int) -> Any:
    """What stands before a stage: a strided convolution, with a normalization."""
    if number == 0:
        parts = [
            layers.Conv2D(channels, 4, strides=4, name=f"{name}_stem_conv"),
            _normalized(f"{name}_stem_layernorm"),
        ]
        return Sequential(parts, name=f"{name}_stem")
    at = number - 1
    parts = [
        _normalized(f"{name}_downsampling_layernorm_{at}"),
        layers.Conv2D(channels, 2, strides=2, name=f"{name}_downsampling_conv_{at}"),
    ]
    return Sequential(parts, name=f"{name}_downsampling_block_{at}")


def _head(x: Any, ends: Ends, name: str) -> Any:
    if not ends.include_top:
        return _normalized(None)(pooled(x, ends))
    x = layers.GlobalAveragePooling2D(name=f"{name}_head_gap")(x)
    x = _normalized(f"{name}_head_layernorm")(x)
    activation = ends.classifier_activation
    return layers.Dense(ends.classes, activation=activation, name=f"{name}_head_dense")(x)


def _convnext(default: str, depths: Sequence[int], channels: Sequence[int]) -> Constructor:
    def make(
        include_top: bool = True,
        include_preprocessing: bool = True,
        weights: Weights = "imagenet",
        input_tensor: Any = None,
        input_shape: Sequence[int | None] | None = None,
        pooling: str | None = None,
        classes: int = 1000,
        classifier_activation: Any = "softmax",
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
        inputs, x = image_input(ends, 224)
        if include_preprocessing and x.shape[-1] == 3:
            variance = [one**2 for one in _DEVIATION]
            at = f"{name}_prestem_normalization"
            x = layers.Normalization(mean=list(_MEAN), variance=variance, name=at)(x)
        for stage, (depth, width) in enumerate(zip(depths, channels, strict=True)):
            x = _downsampling(name, stage, width)(x)
            for block in range(depth):
                x = _block(x, width, f"{name}_stage_{stage}_block_{block}")
        notop = "" if include_top else "_notop"
        url = f"{DOWNLOADS}/convnext/{default}{notop}.h5"
        return image_model(ends, inputs, _head(x, ends, name), url)

    return make


ConvNeXtTiny = _convnext("convnext_tiny", (3, 3, 9, 3), (96, 192, 384, 768))
ConvNeXtSmall = _convnext("convnext_small", (3, 3, 27, 3), (96, 192, 384, 768))
ConvNeXtBase = _convnext("convnext_base", (3, 3, 27, 3), (128, 256, 512, 1024))
ConvNeXtLarge = _convnext("convnext_large", (3, 3, 27, 3), (192, 384, 768, 1536))
ConvNeXtXLarge = _convnext("convnext_xlarge", (3, 3, 27, 3), (256, 512, 1024, 2048))
