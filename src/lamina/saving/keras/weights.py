"""The weights of a model in a file of Keras 3: by the walk over its attributes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.saving.keras.arrays import StoredArray, converted
from lamina.saving.keras.assignment import Matched, Matching, names_by_group
from lamina.saving.keras.walk import Group, groups_of, listed_base

__all__ = ["IGNORED", "matching_groups"]

IGNORED = frozenset({"_loss_tracker", "compiled_metrics", "metrics", "optimizer", "seed_generator"})
"""Groups of a file that hold no weights."""

_EMBEDDINGS = frozenset({"Embedding", "ReversibleEmbedding"})


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
            scales = _scales(group, names, weights)
            used.update(scales.values())
            names = [name for name in names if name not in scales.values()]
            used.update(names[: len(group.slots)])
            for index, slot in enumerate(group.slots):
                if not isinstance(slot, Variable):
                    continue
                if index >= len(names):
                    found.missing.setdefault(id(slot), f"{group.prefix}/{index}")
                    continue
                array = weights[names[index]]
                if names[index] in scales:
                    scale = weights[scales[names[index]]]
                    array = _dequantized(group.layer, slot, array, scale)
                found.arrays.setdefault(id(slot), (names[index], array))
        found.missing = {k: name for k, name in found.missing.items() if k not in found.arrays}
        found.surplus = [name for name in weights if name not in used]
        return found

    return match


def _scales(group: Group, names: list[str], arrays: Mapping[str, StoredArray]) -> dict[str, str]:
    """The names of the scales of quantized arrays, by the names of these arrays."""
    if listed_base(group.layer) in _EMBEDDINGS:  # which store each scale after its array
        pairs = dict(zip(names[::2], names[1::2], strict=False))
    else:
        pairs = dict(zip(names[:1], names[-1:], strict=True))
    is_quantized = all(arrays[name].dtype == np.int8 for name in pairs)
    return pairs if is_quantized and len(names) == len(group.slots) + len(pairs) else {}


def _dequantized(
    layer: Tracked, kernel: Variable, array: StoredArray, scale: StoredArray
) -> StoredArray:
    """The numbers of a quantized kernel; its integers if the scale does not fit."""
    letters, scaled = _axes(layer, kernel)
    sizes = dict(zip(letters, array.shape, strict=False))
    if array.shape != kernel.shape or scale.size != math.prod(sizes[one] for one in scaled):
        return array
    shape = [sizes[one] if one in scaled else 1 for one in letters]
    order = sorted(range(len(scaled)), key=lambda axis: letters.index(scaled[axis]))

    def compute() -> np.ndarray:
        factor = scale.read().reshape([sizes[one] for one in scaled]).transpose(order)
        return array.read().astype("float32") / factor.reshape(shape)

    return converted(array.shape, "float32", compute)


def _axes(layer: Tracked, kernel: Variable) -> tuple[str, str]:
    """Letters for the axes of a quantized kernel, and those that its scale has, in its order."""
    if listed_base(layer) == "EinsumDense":
        letters, outputs = str(cast(Any, layer).equation).partition(",")[2].split("->")
        return letters, "".join(one for one in outputs if one in letters)
    if kernel is getattr(layer, "embeddings", None):
        return "ab", "a"
    return "ab", "b"
