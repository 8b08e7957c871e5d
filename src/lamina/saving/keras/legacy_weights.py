"""The weights of a model in an HDF5 file of Keras 1 or 2, or in one that Keras 3 writes for them.

There is a group for each layer of the model. Attributes list the layers and, for each of them, its
arrays: the order of these lists tells which array belongs to which weight, as names differ from
process to process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from lamina.core.calling.views import name as name_of
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Tree, children, walk
from lamina.saving.keras.arrays import StoredArray
from lamina.saving.keras.assignment import Matched, Matching
from lamina.saving.keras.dialects.version import version_of
from lamina.saving.keras.errors import refused
from lamina.saving.keras.hdf5 import Hdf5File
from lamina.saving.keras.legacy_layers import (
    Named,
    Origin,
    Slot,
    modernized,
    orders_of,
    slots_of,
    without_gates,
)
from lamina.saving.keras.low_rank import low_rank_scales, with_low_rank

__all__ = ["LegacyGroups", "listed_arrays", "matching_legacy", "root_group"]

_TOP = "top_level_model_weights"


def root_group(file: Hdf5File) -> str:
    """Return the path of the group that holds the groups of layers; empty for the root."""
    return "model_weights" if "model_weights" in file.groups else ""


def listed_arrays(file: Hdf5File, group: str) -> dict[str, StoredArray]:
    """Return the arrays of a group by their names, in the order in which the group lists them.

    Args:
        file: the file.
        group: the path of the group.

    Raises:
        FileFormatError: a name is outside of the group, or names no array.
    """
    found: dict[str, StoredArray] = {}
    for name in _listed(file, "weight_names", group):
        full = f"{group}/{name}"
        if full not in file.arrays or name in found:
            raise _damaged(file, f"no array {full!r}, which is listed, or two of them")
        found[name] = file.arrays[full]
    return found


class LegacyGroups:
    """The arrays of a file by layer, in the order of the file.

    Args:
        file: the file.
        root: the path of the group that holds the groups of layers; empty for the root.

    Attributes:
        layers: the arrays of each layer that has some, by its name.
        top: the arrays of the model itself.
        origin: what wrote the file.

    Raises:
        FileFormatError: a name is outside of the group, or names no array.
    """

    def __init__(self, file: Hdf5File, root: str) -> None:
        start = f"{root}/" if root else ""
        names = _listed(file, "layer_names", root)
        if len(set(names)) < len(names):
            raise _damaged(file, "two layers of one name")

        def arrays(group: str) -> list[Named]:
            listed = listed_arrays(file, group)
            return [(f"{group}/{name}", array) for name, array in listed.items()]

        scales = low_rank_scales(file)
        found = {name: with_low_rank(arrays(start + name), scales) for name in names}
        self.layers = {name: named for name, named in found.items() if named}
        self.top = arrays(start + _TOP) if start + _TOP in file.groups else []
        version, backend = (
            file.attribute(name, root) or file.attribute(name)
            for name in ("keras_version", "backend")
        )
        self.origin = Origin(version_of(version), str(backend))

    def shapes(self, name: str) -> list[tuple[int, ...]]:
        """Return the shapes of the arrays of a layer."""
        return [array.shape for _, array in self.layers.get(name, [])]


def _listed(file: Hdf5File, attribute: str, group: str) -> list[str]:
    """Return the names in an attribute of a group; a name may be a path below the group."""
    if group and group not in file.groups:
        raise _damaged(file, f"no group {group!r}")
    listed: Any = file.attribute(attribute, group)
    if not isinstance(listed, list):
        raise _damaged(file, f"no list {attribute!r} of {group or 'the root'!r}")
    names = cast("list[Any]", listed)
    for name in names:
        parts = name.split("/") if isinstance(name, str) else [""]
        if any(part in ("", ".", "..") for part in parts):
            raise _damaged(file, f"the name {str(name)[:100]!r} in {attribute!r}")
    return names


def _damaged(file: Hdf5File, received: str) -> Exception:
    return refused(
        file.path,
        "is not a complete HDF5 file of a model of Keras",
        expected="a group for each name in layer_names, with an array for each in weight_names",
        received=received,
        remedy="Copy the file again, or save the model again in Keras.",
    )


def matching_legacy(
    file: Hdf5File, root_group: str, by_name: bool = False, *, named: bool = False
) -> Matching:
    """Return the matching of a model with the arrays of an HDF5 file.

    Args:
        file: the file.
        root_group: the path of the group that holds the groups of layers; empty for the root.
        by_name: whether a layer gets the weights that the file has for its name, and other layers
            keep theirs. Default False: the k-th layer with weights gets those of the k-th name
            with weights.
        named: whether the file has the config of the model, so that the names of all layers agree.
            Default False.

    Raises:
        FileFormatError: the file lists names that it does not hold.
    """
    groups = LegacyGroups(file, root_group)

    def match(root: Tracked) -> Matched:
        found = Matched()
        tree = walk(root)
        layers = _with_weights(root, tree)
        by_layer = {name_of(layer): slots for layer, slots in layers}
        unique = len(by_layer) == len(layers)
        if by_name:
            _match_names(found, by_layer, groups)
            kept = {id(v) for _, v in tree.variables.values()}
            found.kept = kept - found.arrays.keys() - found.missing.keys()
            return found
        if (
            (named or len(layers) != len(groups.layers))
            and unique
            and (by_layer.keys() == groups.layers.keys() or len(layers) != len(groups.layers))
        ):
            _match_names(found, by_layer, groups)
            found.surplus += [
                name
                for layer, arrays in groups.layers.items()
                if layer not in by_layer
                for name, _ in arrays
            ]
        else:
            for (_, slots), arrays in zip(layers, groups.layers.values(), strict=False):
                _match(found, slots, arrays, groups.origin)
            for arrays in list(groups.layers.values())[len(layers) :]:
                found.surplus += [name for name, _ in arrays]
        own = slots_of(root, tree, below=not _is_model(root))
        _match(found, own, groups.top, groups.origin)
        return found

    return match


def _is_model(root: Tracked) -> bool:
    return hasattr(root, "_listed_layers")


def _with_weights(root: Tracked, tree: Tree) -> list[tuple[Tracked, list[Slot]]]:
    """The layers of a model that have weights, in the order of the model."""
    listed: Any = getattr(root, "_listed_layers", None)
    layers = [one for _, one in children(root)] if listed is None else listed()
    seen: set[int] = set()
    found: list[tuple[Tracked, list[Slot]]] = []
    for layer in cast("list[Tracked]", layers):
        slots = slots_of(layer, tree)
        if slots and id(layer) not in seen:
            found.append((layer, slots))
        seen.add(id(layer))
    return found


def _match_names(found: Matched, layers: dict[str, list[Slot]], groups: LegacyGroups) -> None:
    for name, slots in layers.items():
        if name in groups.layers:
            _match(found, slots, groups.layers[name], groups.origin)


def _match(found: Matched, slots: Sequence[Slot], arrays: Sequence[Named], origin: Origin) -> None:
    """Match the weights of a layer with the arrays of its group."""
    best = _order(slots, arrays, origin)
    arrays = without_gates(best, arrays, origin)
    pairs = list(zip(best, arrays, strict=False))
    own: dict[int, dict[int, Named]] = {}
    for slot, named in pairs:
        own.setdefault(id(slot.layer), {})[slot.index] = named
    for slot, named in pairs:
        if not isinstance(slot.variable, Variable):
            continue
        others = own[id(slot.layer)]
        complete = others.keys() == set(range(len(others)))
        if complete:
            named = modernized(slot, [others[i] for i in range(len(others))], slot.index, origin)
        found.arrays[id(slot.variable)] = named
    for slot in best[len(arrays) :]:
        if isinstance(slot.variable, Variable):
            found.missing[id(slot.variable)] = slot.name
    found.surplus += [name for name, _ in arrays[len(best) :]]


def _order(slots: Sequence[Slot], arrays: Sequence[Named], origin: Origin) -> list[Slot]:
    """The order of weights that the names, or else the shapes, of arrays tell."""
    orders = orders_of(slots)
    lasts = [_last(name) for name, _ in arrays]
    by_last = dict(zip(lasts, range(len(lasts)), strict=True))
    names = [slot.name for slot in slots]
    if len(by_last) == len(lasts) and len(set(names)) == len(names) and set(names) == set(lasts):
        return sorted(slots, key=lambda slot: by_last[slot.name])
    for order in orders:
        if [slot.name for slot in order] == lasts:
            return order
    by_key = {_key(name): index for index, (name, _) in enumerate(arrays)}
    keys = [(name_of(slot.layer), slot.name) for slot in slots]
    if set(keys) == set(by_key) and len(keys) == len(by_key) == len(lasts):
        return sorted(slots, key=lambda slot: by_key[name_of(slot.layer), slot.name])
    shapes = [array.shape for _, array in arrays]
    for order in orders:
        if [tuple(slot.variable.shape) for slot in order] == shapes:
            return order
    return orders[0]


def _key(name: str) -> tuple[str, str]:
    """The names of a layer and of its weight in the name of an array."""
    return name.rpartition("/")[0].rpartition("/")[2], _last(name)


def _last(name: str) -> str:
    """The name of a weight in the name of an array: ``kernel`` of ``dense/kernel:0``."""
    return name.rpartition("/")[2].partition(":")[0]
