"""The `preprocess_input` of each family."""

from __future__ import annotations

from typing import Any

from lamina.compat.keras.applications.imagenet_utils import preprocess_input

__all__ = ["scale_for_caffe", "scale_for_torch", "scale_to_one", "unscaled"]


def scale_for_caffe(x: Any, data_format: str | None = None) -> Any:
    """Images of 0 to 255 as BGR, less the mean of ImageNet; see `imagenet_utils`.

    >>> scale_for_caffe([[[123.68, 116.779, 103.939]]]).tolist()
    [[[0.0, 0.0, 0.0]]]
    """
    return preprocess_input(x, data_format, "caffe")


def scale_to_one(x: Any, data_format: str | None = None) -> Any:
    """Images of 0 to 255 as values from -1 to 1; see `imagenet_utils`.

    >>> scale_to_one([[[0.0, 127.5, 255.0]]]).tolist()
    [[[-1.0, 0.0, 1.0]]]
    """
    return preprocess_input(x, data_format, "tf")


def scale_for_torch(x: Any, data_format: str | None = None) -> Any:
    """Images of 0 to 255 by the mean and deviation of ImageNet; see `imagenet_utils`.

    >>> scale_for_torch([[[123.675, 116.28, 103.53]]]).round(2).tolist()
    [[[0.0, 0.0, 0.0]]]
    """
    return preprocess_input(x, data_format, "torch")


def unscaled(x: Any, data_format: str | None = None) -> Any:
    """The images as they are: the model scales them itself.

    >>> unscaled([255.0])
    [255.0]
    """
    return x
