"""`keras.applications.mobilenet`: Howard et al., arXiv 1704.04861, table 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import Model, layers
from lamina.compat.keras.applications.image_model import (
    DOWNLOADS,
    Ends,
    Weights,
    check_trained,
    image_input,
    image_model,
    pooled,
)
from lamina.compat.keras.applications.imagenet_utils import decode_predictions
from lamina.compat.keras.applications.mobile_blocks import depthwise
from lamina.compat.keras.applications.scalings import scale_to_one as preprocess_input

__all__ = ["MobileNet", "decode_predictions", "preprocess_input"]

_BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
)
"""The filters and strides of each block."""
_ALPHAS = {1.0: "1_0", 0.75: "7_5", 0.5: "5_0", 0.25: "2_5"}


def _normalized(x: Any, name: str) -> Any:
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def _block(x: Any, number: int, filters: int, strides: int, multiplier: int) -> Any:
    """A depthwise convolution, and one of size 1."""
    if strides > 1:
        x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{number}")(x)
    padding = "same" if strides == 1 else "valid"
    name = f"conv_dw_{number}"
    x = depthwise(x, 3, strides, padding, name, depth_multiplier=multiplier)
    x, name = _normalized(x, name), f"conv_pw_{number}"
    return _normalized(
        layers.Conv2D(filters, 1, padding="same", use_bias=False, name=name)(x), name
    )


def _head(x: Any, ends: Ends, dropout: float) -> Any:
    if not ends.include_top:
        return pooled(x, ends)
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Conv2D(ends.classes, 1, padding="same", name="conv_preds")(x)
    x = layers.Reshape((ends.classes,), name="reshape_2")(x)
    return layers.Activation(ends.classifier_activation, name="predictions")(x)


def MobileNet(  # noqa: N802 - Keras's name
    input_shape: Sequence[int | None] | None = None,
    alpha: float = 1.0,
    depth_multiplier: int = 1,
    dropout: float = 0.001,
    include_top: bool = True,
    weights: Weights = "imagenet",
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str | None = None,
) -> Model:
    """Make a MobileNet.

    Args:
        alpha: positive float, what the filters are multiplied by; 1 by default.
        depth_multiplier: positive int, depthwise filters for each channel; 1 by default.
        dropout: float, the rate before the classifier; 0.001 by default.
        name: None (default) for ``mobilenet_`` with alpha and the height.
        input_shape, include_top, weights, input_tensor, pooling, classes, classifier_activation:
            as for :func:`lamina.compat.keras.applications.VGG16`.

    Raises:
        InputError: options contradict each other, or the weights of ImageNet are not in Keras's
            cache.

    >>> MobileNet((32, 32, 3), alpha=0.25, weights=None).count_params()
    475544
    """
    ends = Ends(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation
    )
    check_trained(weights, "alpha", alpha, _ALPHAS)
    check_trained(weights, "depth_multiplier", depth_multiplier, (1,))
    inputs, images = image_input(ends, 224, sizes=(128, 160, 192, 224))
    strides: dict[str, Any] = {"strides": 2, "padding": "same", "use_bias": False}
    x = layers.Conv2D(int(32 * alpha), 3, name="conv1", **strides)(images)
    x = _normalized(x, "conv1")
    for number, (filters, stride) in enumerate(_BLOCKS, 1):
        x = _block(x, number, int(filters * alpha), stride, depth_multiplier)
    height = images.shape[1]
    ends = ends._replace(name=name or f"mobilenet_{alpha:0.2f}_{height}")
    text, notop = _ALPHAS.get(alpha), "" if include_top else "_no_top"
    size = height if height in (128, 160, 192, 224) else 224
    url = f"{DOWNLOADS}/mobilenet/mobilenet_{text}_{size}_tf{notop}.h5"
    return image_model(ends, inputs, _head(x, ends, dropout), url)
