"""Updates that are computed weight by weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import jax

__all__ = ["map_weights"]


def map_weights(function: Callable[..., tuple[Any, Any, Any]], *trees: Any) -> tuple[Any, Any, Any]:
    """Apply a function of three results to the leaves of pytrees of equal structure.

    Args:
        function: given one leaf of each pytree.
        trees: the pytrees, such as gradients, moments and weights.

    Returns:
        Three pytrees, one for each result.

    >>> map_weights(lambda g, w: (g, w, g + w), {"w": 1}, {"w": 2})
    ({'w': 1}, {'w': 2}, {'w': 3})
    """
    tree = cast(Any, jax.tree)
    found = tree.map(function, *trees)
    return tree.transpose(tree.structure(trees[0]), tree.structure((0, 0, 0)), found)
