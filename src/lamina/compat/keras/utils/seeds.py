"""The seed of everything that draws."""

from __future__ import annotations

import random as python_random

import numpy as np

import lamina
from lamina.compat.keras.random import set_global_seed

__all__ = ["set_random_seed"]


def set_random_seed(seed: int) -> None:
    """Set the seeds of Python, NumPy, the weights of models, and `keras.random` without a seed.

    Args:
        seed: int, the seed.

    >>> from lamina.compat import keras
    >>> set_random_seed(0)
    >>> first = keras.random.uniform((2,))
    >>> set_random_seed(0)
    >>> bool((keras.random.uniform((2,)) == first).all())
    True
    """
    python_random.seed(seed)
    np.random.seed(seed)
    lamina.set_seed(seed)
    set_global_seed(python_random.randint(1, int(1e9)))
