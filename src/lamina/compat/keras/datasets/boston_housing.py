"""`keras.datasets.boston_housing`: 506 rows of 13 numbers, and prices."""

from __future__ import annotations

from typing import Any

from lamina.compat.keras.datasets.cached_files import STORE, cached_file
from lamina.compat.keras.datasets.tables import Split, divided
from lamina.compat.keras.missing import missing

__all__ = ["load_data"]

_SHA256 = "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"


def load_data(path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113) -> Split:
    """Read the data set of houses in Boston.

    Args:
        path: the name of the file in Keras's folder of data sets.
        test_split: the fraction of the rows for the test. Default 0.2.
        seed: the seed of the order of the rows. Default 113.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: ``[rows, 13]`` and ``[rows]``.
    """
    return divided(cached_file(path, f"{STORE}boston_housing.npz", _SHA256), test_split, seed)


def __getattr__(name: str) -> Any:
    raise missing("keras.datasets.boston_housing", name, __all__)
