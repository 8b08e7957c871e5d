"""The state of training in a checkpoint of Orbax, read onto the devices of a model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import walk
from lamina.saving import StoredArrays
from lamina.training.checkpoints import schema, sharded_arrays
from lamina.training.checkpoints.contents import Checkpoint, ShardedWeights
from lamina.training.checkpoints.sharded_arrays import StoredArray

__all__ = ["other_arrays", "weights"]

_ABOUT = "about"


def weights(checkpoint: Checkpoint, stored: ShardedWeights) -> StoredArrays:
    """Return the weights, which are read once the shardings of all variables are known.

    Args:
        checkpoint: the checkpoint.
        stored: its weights.
    """
    arrays = stored.arrays

    def read(places: Mapping[str, Any]) -> dict[str, Any]:
        asked = {arrays[path]: place for path, place in places.items()}
        found = sharded_arrays.read(checkpoint.folder, asked)
        return {path: found[arrays[path]] for path in places}

    shapes = {path: (one.shape, one.dtype) for path, one in arrays.items()}
    return StoredArrays(os.fspath(checkpoint.folder), stored.metadata, shapes, read)


def other_arrays(checkpoint: Checkpoint, model: Tracked) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read all arrays but the weights; return those of training, and the progress.

    Arrays with the path and the shape of a weight are read with its sharding. The others are
    replicated. Without a placement, all are NumPy arrays.

    Args:
        checkpoint: the checkpoint.
        model: with the weights of the checkpoint.

    Raises:
        FileFormatError: an array cannot be read.
    """
    placement: Any = model._lamina.placement
    values = {path: variable.stored() for path, variable in walk(model).variables.values()}

    def place_of(name: str, one: StoredArray) -> Any:
        if placement is None:
            return None
        found = (values[part] for part in name.split("/") if part in values)
        fitting = next((value for value in found if value.shape == one.shape), None)
        if fitting is not None:
            return fitting.sharding
        return None if name.startswith(_ABOUT) else placement.sharding()

    stored = dict(checkpoint.arrays)
    about = schema.take_arrays(checkpoint.about, _ABOUT, stored)
    places = {one: place_of(name, one) for name, one in stored.items()}
    read = sharded_arrays.read(checkpoint.folder, places)
    arrays = {name: read[one] for name, one in stored.items()}
    about = schema.insert_arrays(about, _ABOUT, arrays)
    schema.check_arrays(arrays)
    return arrays, about
