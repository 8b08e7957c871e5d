"""The ranges of arrays: minimum, maximum and root mean square, computed where the arrays are."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.base.pytrees import leaves_of
from lamina.training.step.model_call import current_layer_call

__all__ = ["OutputRanges", "range_of"]


def range_of(*arrays: Any) -> jax.Array:
    """Return the minimum, the maximum and the root mean square of all elements of arrays.

    Args:
        arrays: floating-point arrays of any shapes, at least one of them not empty.

    Returns:
        float32 ``[3]``.

    >>> range_of(jnp.array([3.0, -4.0])).tolist()
    [-4.0, 3.0, 3.535533905029297]
    """
    full = [jnp.asarray(array, jnp.float32) for array in arrays if array.size]
    largest = jnp.stack([jnp.abs(array).max() for array in full]).max()
    scale = jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1.0)  # squares stay in range
    count = sum(array.size for array in full)
    squares = sum(jnp.square(array / scale).sum() for array in full)
    low = jnp.stack([array.min() for array in full]).min()
    high = jnp.stack([array.max() for array in full]).max()
    return jnp.stack([low, high, scale * jnp.sqrt(squares / count)])


class OutputRanges:
    """The floating-point outputs of layers in one call of a model, by path.

    Layers within loops and other transforms of JAX are left out: their arrays do not leave them.
    """

    def __init__(self) -> None:
        self._outputs: dict[str, list[Any]] = {}

    def watch(self, path: str, class_name: str, inputs: Any, outputs: Any) -> None:
        """Keep the outputs of a layer whose call has ended."""
        if path and not current_layer_call().in_transform:
            arrays = [leaf for leaf in leaves_of(outputs) if _has_range(leaf)]
            if arrays:
                self._outputs.setdefault(path, []).extend(arrays)

    def ranges(self) -> dict[str, jax.Array]:
        """Return the range of each layer's outputs, in the order in which the calls ended."""
        return {path: range_of(*arrays) for path, arrays in self._outputs.items()}


def _has_range(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.size > 0
