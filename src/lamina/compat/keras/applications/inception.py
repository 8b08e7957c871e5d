"""The parts of Inception: normalized convolutions, and branches of them side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import layers

__all__ = ["HALVED", "branch", "convolved", "mixed", "stem"]

Convolution = tuple[int, int | tuple[int, int]] | tuple[int, int, int]
"""Filters and kernel; a third number is the stride of one without padding."""
Branch = Sequence["Convolution | str"]
"""Convolutions in order; "avg" and "max" are poolings of size 3, of stride 1 and 2."""

HALVED = ("max",)
"""The branch that is a pooling of stride 2."""


def convolved(x: Any, convolution: Convolution, name: str | None = None) -> Any:
    """A convolution without bias, a normalization without scale, and a ReLU."""
    filters, kernel, *strides = convolution
    padding = "valid" if strides else "same"
    stride = strides[0] if strides else 1
    options: dict[str, Any] = {"strides": stride, "padding": padding, "use_bias": False}
    x = layers.Conv2D(filters, kernel, name=name, **options)(x)
    x = layers.BatchNormalization(scale=False, name=name and f"{name}_bn")(x)
    return layers.Activation("relu", name=name and f"{name}_ac")(x)


def branch(x: Any, parts: Branch) -> Any:
    """The parts of a branch in order."""
    for part in parts:
        if part == "avg":
            x = layers.AveragePooling2D(3, strides=1, padding="same")(x)
        elif part == "max":
            x = layers.MaxPooling2D(3, strides=2)(x)
        elif not isinstance(part, str):
            x = convolved(x, part)
    return x


def mixed(x: Any, branches: Sequence[Branch], name: str | None) -> Any:
    """Branches from the same features, joined by channels."""
    return layers.Concatenate(name=name)([branch(x, parts) for parts in branches])


def stem(x: Any) -> Any:
    """The convolutions before the first branches."""
    first = ((32, 3, 2), (32, 3, 1), (64, 3), "max", (80, 1, 1), (192, 3, 1), "max")
    return branch(x, first)
