"""The weights of a model in a file of Keras 3: by the walk over its attributes."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.saving.keras.arrays import StoredArray, converted
from lamina.saving.keras.assignment import Matched, Matching, names_by_group
from lamina.saving.keras.walk import groups_of

__all__ = ["IGNORED", "matching_groups"]

IGNORED = frozenset({"_loss_tracker", "compiled_metrics", "metrics", "optimizer", "seed_generator"})
"""Groups of a file that hold no weights."""


def matching_groups(arrays: Mapping[str, StoredArray]) -> Matching:
    """Return the matching of a model with arrays that are named by Keras's walk.

    Args:
        arrays: the arrays of the file by their path.
    """
    weights = {n: a for n, a in arrays.items() if IGNORED.isdisjoint(n.split("/"))}
    by_group = names_by_group(weights)
    prefixes = {
        "/".join(parts[:end])
        for name in weights
        for parts in [name.split("/")]
        for end in range(1, len(parts))
    }

    def match(root: Tracked) -> Matched:
        found = Matched()
        used = set[str]()
        for group in groups_of(root, prefixes.__contains__):
            names = by_group.get(group.prefix, [])
            used.update(names if len(names) == len(group.slots) else names[: len(group.slots)])
            names, scale = _without_scale(group.slots, names, weights)
            used.update(scale)
            for index, slot in enumerate(group.slots):
                if not isinstance(slot, Variable):
                    continue
                if index >= len(names):
                    found.missing.setdefault(id(slot), f"{group.prefix}/{index}")
                    continue
                array = weights[names[index]]
                if scale and index == 0:
                    array = _dequantized(array, weights[scale[0]])
                found.arrays.setdefault(id(slot), (names[index], array))
        found.missing = {k: name for k, name in found.missing.items() if k not in found.arrays}
        found.surplus = [name for name in weights if name not in used]
        return found

    return match


def _without_scale(
    slots: list[Variable | np.ndarray], names: list[str], arrays: Mapping[str, StoredArray]
) -> tuple[list[str], list[str]]:
    """The names of arrays without that of the scale of a quantized kernel, and that name."""
    first = slots[0] if slots else None
    if (
        len(names) == len(slots) + 1
        and isinstance(first, Variable)
        and jnp.issubdtype(first.weight_dtype, jnp.floating)
        and arrays[names[0]].dtype == np.int8
        and arrays[names[0]].shape == first.shape
    ):
        return names[:-1], names[-1:]
    return names, []


def _dequantized(kernel: StoredArray, scale: StoredArray) -> StoredArray:
    def compute() -> np.ndarray:
        factor = scale.read()
        sizes = [1] * (len(kernel.shape) - factor.ndim) + list(factor.shape)
        return kernel.read().astype("float32") / factor.reshape(sizes)

    return converted(kernel.shape, "float32", compute)
