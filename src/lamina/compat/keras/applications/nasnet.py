"""`keras.applications.nasnet`: Zoph et al., arXiv 1707.07012, figure 4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import Model, layers
from lamina.compat.keras.applications.image_model import (
    DOWNLOADS,
    Constructor,
    Ends,
    Weights,
    correct_padding,
    head,
    image_input,
    image_model,
)
from lamina.compat.keras.applications.imagenet_utils import decode_predictions
from lamina.compat.keras.applications.scalings import scale_to_one as preprocess_input

__all__ = ["NASNetLarge", "NASNetMobile", "decode_predictions", "nasnet", "preprocess_input"]


def _relu(x: Any, name: str | None = None) -> Any:
    return layers.Activation("relu", name=name)(x)


def _normalized(x: Any, name: str) -> Any:
    return layers.BatchNormalization(momentum=0.9997, name=name)(x)


def _pointwise(x: Any, filters: int, name: str) -> Any:
    return layers.Conv2D(filters, 1, padding="same", use_bias=False, name=name)(x)


def _separable(x: Any, filters: int, kernel: int, strides: int, name: str) -> Any:
    """Two separable convolutions, each after a ReLU; the first has the strides."""
    x, padding = _relu(x), "same"
    if strides > 1:
        at = f"separable_conv_1_pad_{name}"
        x, padding = layers.ZeroPadding2D(correct_padding(x, kernel), name=at)(x), "valid"
    options: dict[str, Any] = {"strides": strides, "padding": padding, "use_bias": False}
    x = layers.SeparableConv2D(filters, kernel, name=f"separable_conv_1_{name}", **options)(x)
    x = _relu(_normalized(x, f"separable_conv_1_bn_{name}"))
    options: dict[str, Any] = {"padding": "same", "use_bias": False}
    x = layers.SeparableConv2D(filters, kernel, name=f"separable_conv_2_{name}", **options)(x)
    return _normalized(x, f"separable_conv_2_bn_{name}")


def _average(x: Any, name: str) -> Any:
    return layers.AveragePooling2D(3, strides=1, padding="same", name=name)(x)


def _adjusted(before: Any, x: Any, filters: int, name: str) -> Any:
    """The features before the last, in the size of the last and with the cell's filters."""
    if before is None:
        return x
    if before.shape[1] != x.shape[1]:
        before = _relu(before, f"adjust_relu_1_{name}")
        shifted = layers.ZeroPadding2D(((0, 1), (0, 1)))(before)
        shifted = layers.Cropping2D(((1, 0), (1, 0)))(shifted)
        halves: list[Any] = []
        for number, half in enumerate((before, shifted), 1):
            at = f"adjust_avg_pool_{number}_{name}"
            half = layers.AveragePooling2D(1, strides=2, name=at)(half)
            halves.append(_pointwise(half, filters // 2, f"adjust_conv_{number}_{name}"))
        return _normalized(layers.Concatenate()(halves), f"adjust_bn_{name}")
    if before.shape[-1] != filters:
        before = _pointwise(_relu(before), filters, f"adjust_conv_projection_{name}")
        return _normalized(before, f"adjust_bn_{name}")
    return before


def _squeezed(x: Any, filters: int, cell: str, name: str) -> Any:
    x = _pointwise(_relu(x), filters, f"{cell}_conv_1_{name}")
    return _normalized(x, f"{cell}_bn_1_{name}")


def _normal(x: Any, before: Any, filters: int, name: str) -> Any:
    """The cell that keeps the size: five sums of pairs of operations, joined."""
    p = _adjusted(before, x, filters, name)
    h = _squeezed(x, filters, "normal", name)
    pairs = (
        lambda: (
            _separable(h, filters, 5, 1, f"normal_left1_{name}"),
            _separable(p, filters, 3, 1, f"normal_right1_{name}"),
        ),
        lambda: (
            _separable(p, filters, 5, 1, f"normal_left2_{name}"),
            _separable(p, filters, 3, 1, f"normal_right2_{name}"),
        ),
        lambda: (_average(h, f"normal_left3_{name}"), p),
        lambda: (_average(p, f"normal_left4_{name}"), _average(p, f"normal_right4_{name}")),
        lambda: (_separable(h, filters, 3, 1, f"normal_left5_{name}"), h),
    )
    sums = [
        layers.Add(name=f"normal_add_{number}_{name}")(list(pair()))
        for number, pair in enumerate(pairs, 1)
    ]
    return layers.Concatenate(name=f"normal_concat_{name}")([p, *sums])


def _reduction(x: Any, before: Any, filters: int, name: str) -> Any:
    """The cell that halves the size: five sums of pairs of operations, four of them joined."""

    def strided(source: Any, kernel: int, at: str) -> Any:
        return _separable(source, filters, kernel, 2, f"reduction_{at}_{name}")

    def added(pair: list[Any], at: str | None) -> Any:
        return layers.Add(name=at and f"reduction_{at}_{name}")(pair)

    def pool(kind: Any, at: str) -> Any:
        return kind(3, strides=2, name=f"reduction_{at}_{name}")(padded)

    p = _adjusted(before, x, filters, name)
    h = _squeezed(x, filters, "reduction", name)
    padded = layers.ZeroPadding2D(correct_padding(h, 3), name=f"reduction_pad_1_{name}")(h)
    first = added([strided(h, 5, "left1"), strided(p, 7, "right1")], "add_1")
    second = [pool(layers.MaxPooling2D, "left2"), strided(p, 7, "right2")]
    second = added(second, "add_2")
    third = [pool(layers.AveragePooling2D, "left3"), strided(p, 5, "right3")]
    third = added(third, "add3")
    fourth = added([second, _average(first, f"reduction_left4_{name}")], None)
    fifth = [
        _separable(first, filters, 3, 1, f"reduction_left4_{name}"),
        pool(layers.MaxPooling2D, "right5"),
    ]
    joined = [second, third, fourth, added(fifth, "add4")]
    return layers.Concatenate(name=f"reduction_concat_{name}")(joined)


def _body(x: Any, filters: int, cells: int, stem: int, skip: bool) -> Any:
    """The stem, and three stages of normal cells with reductions between them."""
    x = layers.Conv2D(stem, 3, strides=2, use_bias=False, name="stem_conv1")(x)
    before, x = None, _normalized(x, "stem_bn1")
    for number, width in enumerate((filters // 4, filters // 2), 1):
        before, x = x, _reduction(x, before, width, f"stem_{number}")
    for stage in range(3):
        width = filters * 2**stage
        if stage > 0:
            reduced = _reduction(x, before, width, f"reduce_{stage * cells}")
            before, x = before if skip else x, reduced
        for cell in range(cells):
            number = stage * cells + cell + (stage > 0)
            before, x = x, _normal(x, before, width, str(number))
    return _relu(x)


def nasnet(
    default: str, file: str, size: int, filters: int, cells: int, stem: int, skip: bool
) -> Constructor:
    """The constructor of a NASNet.

    Args:
        default: the name of the model.
        file: the name of the file of weights, without its end.
        size: the default height and width.
        filters: of the first normal cells; each reduction doubles them.
        cells: the number of normal cells of each stage.
        stem: the filters of the first convolution.
        skip: whether the cell after a reduction also takes what the reduction took second, in
            place of what it took first.
    """

    def make(
        input_shape: Sequence[int | None] | None = None,
        include_top: bool = True,
        weights: Weights = "imagenet",
        input_tensor: Any = None,
        pooling: str | None = None,
        classes: int = 1000,
        classifier_activation: Any = "softmax",
        name: str = default,
    ) -> Model:
        """Make the model.

        Args:
            input_shape, include_top, weights, input_tensor, pooling, classes,
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
        inputs, x = image_input(ends, size, open_body=False)
        x = head(_body(x, filters, cells, stem, skip), ends, None)
        url = f"{DOWNLOADS}/nasnet/{file}{'' if include_top else '-no-top'}.h5"
        cached = f"{default}{'' if include_top else '_no_top'}.h5"
        return image_model(ends, inputs, x, url, cached)

    return make


NASNetMobile = nasnet("nasnet_mobile", "NASNet-mobile", 224, 44, 4, 32, skip=False)
NASNetLarge = nasnet("nasnet_large", "NASNet-large", 331, 168, 6, 96, skip=True)
