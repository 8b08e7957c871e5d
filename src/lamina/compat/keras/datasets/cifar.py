"""The files of CIFAR-10 and CIFAR-100."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lamina.compat.keras.datasets.pickled_arrays import load_pickle

__all__ = ["batch"]


def batch(path: Path, labels: str = "labels") -> tuple[np.ndarray, np.ndarray]:
    """The images and labels of one file.

    Args:
        path: the file.
        labels: the name of the labels. Default ``"labels"``.

    Returns:
        uint8 ``[images, 32, 32, 3]``, and uint8 ``[images, 1]``.
    """
    with path.open("rb") as file:
        found = load_pickle(file)
    images = found["data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, np.asarray(found[labels])[:, None]
