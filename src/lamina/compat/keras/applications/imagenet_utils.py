"""`keras.applications.imagenet_utils`: scaling of images, and the names of predicted classes."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, cast

import jax.numpy as jnp
import numpy as np

from lamina.compat.keras.applications.imagenet_files import cached_file
from lamina.errors import FileFormatError, InputError, explain
from lamina.models.symbol import Symbol

__all__ = ["decode_predictions", "preprocess_input"]

_INDEX = "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json"
_MOMENTS = {
    "caffe": ((103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),
    "torch": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""The mean and deviation of each channel: of BGR up to 255, of RGB up to 1."""


def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe") -> Any:
    """Scale RGB images with values of 0 to 255 as a trained model expects them.

    ``y = (x / scale - mean) / deviation`` for each channel.

    Args:
        x: array or symbolic value, [height, width, 3] or [batch, height, width, 3]; with channels
            first, the channels are the third axis from the end.
        data_format: ``"channels_last"``, which is also None (default), or ``"channels_first"``.
        mode: ``"caffe"`` (default): BGR, less the mean of ImageNet; ``"tf"``: from -1 to 1;
            ``"torch"``: from 0 to 1, then less the mean and by the deviation of ImageNet.

    Returns:
        A new array, of x's dtype if that is a float of at most 32 bits, else float32.

    Raises:
        InputError: another mode or data format, or x has not 3 channels.

    >>> preprocess_input([[[0.0, 127.5, 255.0]]], mode="tf").tolist()
    [[[-1.0, 0.0, 1.0]]]
    """
    if mode not in ("tf", *_MOMENTS) or data_format not in (
        None,
        "channels_last",
        "channels_first",
    ):
        raise InputError(
            explain(
                "preprocess_input got an unknown option.",
                expected="mode caffe, tf or torch; data_format channels_last or channels_first",
                received=f"mode={mode!r}, data_format={data_format!r}",
                remedy="Pass one of those.",
            )
        )
    symbolic = isinstance(x, Symbol)
    numpy = cast("Any", np if isinstance(x, np.ndarray | list | tuple) else jnp)
    images: Any = x if symbolic else numpy.asarray(x)
    axis = -3 if data_format == "channels_first" else -1
    if images.ndim not in (3, 4) or (mode != "tf" and images.shape[axis] != 3):
        raise InputError(
            explain(
                "preprocess_input takes images with 3 channels.",
                expected="[height, width, 3] or [batch, height, width, 3]",
                received=str(images.shape),
                remedy="Pass RGB images, and data_format if the channels are first.",
            )
        )
    dtype = np.dtype("float32")
    if not symbolic:
        narrow = numpy.issubdtype(images.dtype, numpy.floating) and images.dtype != np.float64
        dtype = images.dtype if narrow else dtype
        images = images.astype(dtype)
    if mode == "tf":
        return images / 127.5 - 1.0
    column = (3, 1, 1) if axis == -3 else (3,)
    mean, deviation = (np.array(one, dtype).reshape(column) for one in _MOMENTS[mode])
    if mode == "torch":
        return (images / 255.0 - mean) / deviation
    reverse = slice(None, None, -1)
    return images[(..., reverse, *[slice(None)] * (-1 - axis))] - mean


def decode_predictions(preds: Any, top: int = 5) -> list[list[tuple[str, str, float]]]:
    """Name the most probable classes of ImageNet.

    Args:
        preds: array [batch, 1000] of probabilities.
        top: positive int, how many classes for each image; 5 by default.

    Returns:
        For each image a list of tuples: the WordNet id, the name, the probability, in falling
        order.

    Raises:
        InputError: another shape, or the index of classes is not in Keras's cache; the error
            names the file.
        FileFormatError: the index is damaged.

    >>> decode_predictions([[0.5, 0.5]])
    Traceback (most recent call last):
    lamina.errors.InputError: decode_predictions takes predictions of the classes of ImageNet.
      expected: [batch, 1000]
      received: (1, 2)
      remedy:   Pass the output of a model with include_top=True and 1000 classes.
    """
    values = np.asarray(preds)
    if values.ndim != 2 or values.shape[1] != 1000:
        raise InputError(
            explain(
                "decode_predictions takes predictions of the classes of ImageNet.",
                expected="[batch, 1000]",
                received=str(values.shape),
                remedy="Pass the output of a model with include_top=True and 1000 classes.",
            )
        )
    names = _class_names(cached_file(_INDEX))
    best = np.argsort(values, axis=1)[:, ::-1][:, :top]
    return [
        [(*names[number], float(row[number])) for number in numbers.tolist()]
        for row, numbers in zip(values, best, strict=True)
    ]


@functools.lru_cache(1)
def _class_names(path: Path) -> list[tuple[str, str]]:
    """The WordNet id and the name of each class, by number."""
    try:
        index = json.loads(path.read_text("utf-8"))
        return [(str(index[str(n)][0]), str(index[str(n)][1])) for n in range(1000)]
    except (ValueError, LookupError, TypeError) as error:
        raise FileFormatError(
            explain(
                f"{path} is no index of the classes of ImageNet.",
                expected='a JSON object of "0" to "999", each [WordNet id, name]',
                received=repr(error),
                remedy=f"Download {_INDEX} again.",
            )
        ) from error
