"""`keras.datasets.fashion_mnist`: pictures of clothes."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np

from lamina.compat.keras.datasets.cached_files import STORE, cached_file
from lamina.compat.keras.datasets.tables import Split
from lamina.compat.keras.missing import missing

__all__ = ["load_data"]


def load_data() -> Split:
    """Read Fashion-MNIST.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 ``[images, 28, 28]`` and ``[images]``.
    """
    return _part("train"), _part("t10k")


def _part(name: str) -> tuple[np.ndarray, np.ndarray]:
    labels = _bytes(f"{name}-labels-idx1-ubyte.gz", 8)
    return _bytes(f"{name}-images-idx3-ubyte.gz", 16).reshape(len(labels), 28, 28), labels


def _bytes(name: str, header: int) -> np.ndarray:
    path = cached_file(name, STORE + name, folder="datasets/fashion-mnist")
    with gzip.open(path, "rb") as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


def __getattr__(name: str) -> Any:
    raise missing("keras.datasets.fashion_mnist", name, __all__)
