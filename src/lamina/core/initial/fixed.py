"""Initial values that are not random."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.initial.sampling import draw, has_distribution
from lamina.initializers import Initializer, KeyedFunction

__all__ = ["fixed_value"]


def fixed_value(
    initializer: Initializer | KeyedFunction, shape: tuple[int, ...], dtype: Any
) -> np.ndarray | None:
    """Return the initial value of a weight; None if it is random, or given by a function.

    >>> from lamina import initializers
    >>> fixed_value(initializers.get("ones"), (2,), np.float32).tolist()
    [1.0, 1.0]
    """
    if not has_distribution(initializer):
        return None
    if initializer.distribution_for(shape).kind not in ("constant", "identity"):
        return None
    return draw(initializer, shape, dtype, seed=(0, 0), path="")
