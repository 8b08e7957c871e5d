"""`keras.datasets.california_housing`: 20,640 rows of 8 numbers, and prices."""

from __future__ import annotations

from typing import Any, Literal

from lamina.compat.keras.datasets.cached_files import STORE, cached_file
from lamina.compat.keras.datasets.tables import Split, divided
from lamina.compat.keras.missing import missing
from lamina.compat.keras.utils.arguments import choice

__all__ = ["load_data"]

_SHA256 = "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f"


def load_data(
    version: Literal["large", "small"] = "large",
    path: str = "california_housing.npz",
    test_split: float = 0.2,
    seed: int = 113,
) -> Split:
    """Read the data set of houses in California.

    Args:
        version: ``"large"`` (default), or ``"small"`` for 600 rows.
        path: the name of the file in Keras's folder of data sets.
        test_split: the fraction of the rows for the test. Default 0.2.
        seed: the seed of the order of the rows. Default 113.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: ``[rows, 8]`` and ``[rows]``.
    """
    choice("load_data", "version", version, ("large", "small"))
    file = cached_file(path, f"{STORE}california_housing.npz", _SHA256)
    return divided(file, test_split, seed, 600 if version == "small" else None)


def __getattr__(name: str) -> Any:
    raise missing("keras.datasets.california_housing", name, __all__)
