"""Tables of numbers, shuffled and divided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lamina.compat.keras.utils.arguments import wrong

__all__ = ["Split", "divided", "shuffled"]

Split = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""``(x_train, y_train), (x_test, y_test)``."""


def shuffled(seed: int, *arrays: np.ndarray) -> list[np.ndarray]:
    """Arrays with their rows in a new order, the same for all.

    Args:
        seed: the seed.
        *arrays: the arrays, of equal length.
    """
    order = np.arange(len(arrays[0]))
    np.random.RandomState(seed).shuffle(order)
    return [one[order] for one in arrays]


def divided(path: Path, test_split: float, seed: int, rows: int | None = None) -> Split:
    """The rows of the arrays `x` and `y` in a file, shuffled and divided.

    Args:
        path: the file.
        test_split: the fraction of the rows for the test, in [0, 1).
        seed: the seed of the order.
        rows: the number of first rows. Default None: all.

    Raises:
        InputError: `test_split` is another number.
    """
    if not 0 <= test_split < 1:
        raise wrong("test_split is not a fraction.", "a number in [0, 1)", test_split, "Pass 0.2.")
    with np.load(path, allow_pickle=False) as file:
        arrays: Any = file["x"][:rows], file["y"][:rows]
    x, y = shuffled(seed, *arrays)
    count = int(len(x) * (1 - test_split))
    return (x[:count], y[:count]), (x[count:], y[count:])
