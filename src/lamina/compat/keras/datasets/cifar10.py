"""`keras.datasets.cifar10`: small pictures of 10 classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.compat.keras.datasets.cached_files import cached_file
from lamina.compat.keras.datasets.cifar import batch
from lamina.compat.keras.datasets.tables import Split
from lamina.compat.keras.missing import missing

__all__ = ["load_data"]

_SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


def load_data() -> Split:
    """Read CIFAR-10.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: uint8 ``[images, 32, 32, 3]`` and ``[images, 1]``.
    """
    folder = cached_file(
        "cifar-10-batches-py-target",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        _SHA256,
        extract=True,
    )
    folder /= "cifar-10-batches-py"
    parts = [batch(folder / f"data_batch_{number}") for number in range(1, 6)]
    x, y = (np.concatenate(one) for one in zip(*parts, strict=True))
    x_test, y_test = batch(folder / "test_batch")
    return (x, y.astype(np.uint8)), (x_test, y_test.astype(np.uint8))


def __getattr__(name: str) -> Any:
    raise missing("keras.datasets.cifar10", name, __all__)
