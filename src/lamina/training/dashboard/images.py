"""Arrays as PNG images."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

__all__ = ["as_images", "png"]

LARGEST = 256  # pixels of a side; larger images are thinned out


def as_images(array: Any) -> list[np.ndarray] | None:
    """Return an array as images uint8 ``[height, width, channels]``; None if it holds none.

    Args:
        array: one image ``[height, width]`` or ``[height, width, channels]``, or several
            ``[images, height, width, channels]``; 1, 3 or 4 channels. Integers are in [0, 255],
            and floats in [0, 1]; floats beyond this are scaled to their own range.

    >>> [one.shape for one in as_images(np.zeros((2, 8, 6, 3)))]
    [(8, 6, 3), (8, 6, 3)]
    """
    values = np.asarray(array)
    if values.ndim == 2:
        values = values[None, :, :, None]
    elif values.ndim == 3:
        values = values[None]
    if values.ndim != 4 or values.shape[-1] not in (1, 3, 4) or 0 in values.shape:
        return None
    if values.dtype.kind not in "biuf":
        return None
    stride = -(-max(values.shape[1:3]) // LARGEST)
    return [_bytes(one[::stride, ::stride]) for one in values]


def _bytes(image: np.ndarray) -> np.ndarray:
    if image.dtype.kind == "b":
        return image.astype(np.uint8) * 255
    if image.dtype.kind in "iu":
        return np.clip(image, 0, 255).astype(np.uint8)
    image = np.nan_to_num(image.astype(np.float64))
    low, high = image.min(), image.max()
    if low < 0 or high > 1:
        image = (image - low) / ((high - low) or 1.0)
    return np.round(image * 255).astype(np.uint8)


def png(image: np.ndarray) -> bytes:
    """Encode an image uint8 ``[height, width, channels]`` of 1, 3 or 4 channels.

    >>> png(np.zeros((1, 1, 1), np.uint8))[:4]
    b'\\x89PNG'
    """
    height, width, channels = image.shape
    colour = {1: 0, 3: 2, 4: 6}[channels]
    lines = np.zeros((height, 1 + width * channels), np.uint8)  # each begins with filter 0
    lines[:, 1:] = image.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    whole = name + data
    return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))
