"""`keras.datasets.mnist`: pictures of digits."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.compat.keras.datasets.cached_files import STORE, cached_file
from lamina.compat.keras.datasets.tables import Split
from lamina.compat.keras.missing import missing

__all__ = ["load_data"]

_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def load_data(path: str = "mnist.npz") -> Split:
    """Read MNIST.

    Args:
        path: the name of the file in Keras's folder of data sets.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 ``[images, 28, 28]`` and ``[images]``.
    """
    with np.load(cached_file(path, f"{STORE}mnist.npz", _SHA256), allow_pickle=False) as file:
        return (file["x_train"], file["y_train"]), (file["x_test"], file["y_test"])


def __getattr__(name: str) -> Any:
    raise missing("keras.datasets.mnist", name, __all__)
