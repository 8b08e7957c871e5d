"""The weights of a model in a file of Keras 3: by the walk over its attributes."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.saving.keras.arrays import StoredArray
from lamina.saving.keras.assignment import Matched, Matching, names_by_group
from lamina.saving.keras.quantized import check_blocks, read_integers
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
            used.update(names[: len(group.slots)])
            for index, slot in enumerate(group.slots):
                if not isinstance(slot, Variable):
                    if index < len(names):
                        check_blocks(group.layer, slot, weights[names[index]])
                    continue
                if index >= len(names):
                    found.missing.setdefault(id(slot), f"{group.prefix}/{index}")
                    continue
                array = read_integers(group.layer, slot, weights[names[index]])
                found.arrays.setdefault(id(slot), (names[index], array))
        found.missing = {k: name for k, name in found.missing.items() if k not in found.arrays}
        found.surplus = [name for name in weights if name not in used]
        return found

    return match
