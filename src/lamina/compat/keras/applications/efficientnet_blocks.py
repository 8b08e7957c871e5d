"""Parts of EfficientNet: inverted residuals with squeeze and excitation."""

from __future__ import annotations

from typing import Any

from lamina import initializers, layers

__all__ = [
    "classifier_options",
    "convolved",
    "excited",
    "kernel_initializer",
    "normalized",
    "shortcut",
]


def kernel_initializer() -> Any:
    """The initializer of all convolutions."""
    return initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")


def classifier_options() -> dict[str, Any]:
    """The options of the classifier."""
    return {"kernel_initializer": initializers.VarianceScaling(1 / 3, "fan_out", "uniform")}


def normalized(
    x: Any, name: str, activation: str | None = None, *, momentum: float, first: str = "bn"
) -> Any:
    """A batch normalization, and a swish of the given name."""
    x = layers.BatchNormalization(momentum=momentum, name=f"{name}{first}")(x)
    return x if activation is None else layers.Activation("silu", name=f"{name}{activation}")(x)


def convolved(x: Any, filters: int, kernel: int, name: str, **options: Any) -> Any:
    """A convolution without bias."""
    settings: dict[str, Any] = {"padding": "same", "use_bias": False} | options
    start = kernel_initializer()
    return layers.Conv2D(filters, kernel, kernel_initializer=start, name=name, **settings)(x)


def excited(x: Any, reduced: int, name: str) -> Any:
    """The channels, each scaled by a function of the means of all."""
    channels = x.shape[-1]
    scale = layers.GlobalAveragePooling2D(name=f"{name}se_squeeze")(x)
    scale = layers.Reshape((1, 1, channels), name=f"{name}se_reshape")(scale)
    options: dict[str, Any] = {"use_bias": True, "activation": "silu"}
    scale = convolved(scale, reduced, 1, f"{name}se_reduce", **options)
    options: dict[str, Any] = {"use_bias": True, "activation": "sigmoid"}
    scale = convolved(scale, channels, 1, f"{name}se_expand", **options)
    return layers.Multiply(name=f"{name}se_excite")([x, scale])


def shortcut(x: Any, new: Any, strides: int, dropped: float, name: str) -> Any:
    """The sum of a block's input and output, where they have the same shape.

    In training the output is left out for a part of the examples.
    """
    if strides > 1 or x.shape[-1] != new.shape[-1]:
        return new
    if dropped > 0:
        new = layers.Dropout(dropped, noise_shape=(None, 1, 1, 1), name=f"{name}drop")(new)
    return layers.Add(name=f"{name}add")([new, x])
