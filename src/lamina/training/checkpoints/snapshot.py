"""A snapshot of training on the device, to be written while training continues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from lamina.saving.metadata import Metadata
from lamina.training.checkpoints.contents import Contents
from lamina.training.checkpoints.schema import take_arrays

__all__ = ["Snapshot"]


class Snapshot(NamedTuple):
    """Copies of all arrays of training, which later steps do not change.

    Attributes:
        weights: the values of all variables by path, on the device.
        training: all other arrays by name, on the device.
        metadata: of the weights, as a weights file holds it.
        about: the progress of training: arrays, and values that JSON can hold.
        sharded: whether the arrays are on the devices of a placement.
    """

    weights: Mapping[str, Any]
    training: Mapping[str, Any]
    metadata: Metadata
    about: Mapping[str, Any]
    sharded: bool = False

    def contents(self) -> Contents:
        """Copy everything to the host, unless it is sharded; this waits for the device."""
        training = dict(self.training)
        about = take_arrays(self.about, "about", training)
        if self.sharded:
            return Contents(self.weights, self.metadata, training, about, sharded=True)
        return Contents(
            {path: np.asarray(array) for path, array in self.weights.items()},
            self.metadata,
            {name: np.asarray(array) for name, array in training.items()},
            about,
        )
