"""The weights of layers in the order of Keras's HDF5 files, and conversions of old arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from lamina.core.tree.node import Tracked
from lamina.core.tree.trainable import frozen_layers
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Tree, children
from lamina.saving.keras.arrays import StoredArray, converted
from lamina.saving.keras.dialects.version import Version
from lamina.saving.keras.walk import own_variables

__all__ = ["Named", "Origin", "Slot", "modernized", "orders_of", "slots_of", "without_gates"]

Named = tuple[str, StoredArray]
"""An array of a file, with its name."""

_GATES = {"ConvLSTM2D": 4, "GRU": 3, "LSTM": 4}
_ORDER = {3: (0, 1, 2), 4: (0, 2, 1, 3)}  # Keras 1 has the gates i, c, f, o
_CONVOLUTIONS = frozenset({"Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D", "ConvLSTM2D"})


@dataclass(frozen=True)
class Origin:
    """What wrote a file.

    Attributes:
        version: the version of Keras.
        backend: the backend of Keras.
    """

    version: Version
    backend: str


@dataclass(frozen=True)
class Slot:
    """A place in the list of a layer's weights.

    Attributes:
        layer: the innermost layer that holds the weight.
        variable: the weight; an array for a value that has no variable here.
        index: the position in the layer's own weights.
        trainable: whether the weight is trainable, as far as its layer decides.
        frozen: whether the layer, or one around it, is frozen.
    """

    layer: Tracked
    variable: Variable | np.ndarray
    index: int
    trainable: bool
    frozen: bool

    @property
    def name(self) -> str:
        """The name of the weight; empty if it has none."""
        if not isinstance(self.variable, Variable):
            return ""
        held = vars(self.layer)
        return next((name for name, value in held.items() if value is self.variable), "")


def slots_of(layer: Tracked, tree: Tree, below: bool = True) -> list[Slot]:
    """Return the weights of a layer and of those below it, layer by layer.

    Args:
        layer: the layer.
        tree: the tree of the model.
        below: whether to go into the layers below. Default True.
    """
    frozen = frozen_layers(tree)
    found: dict[int, Slot] = {}
    for one in _layers(layer) if below else [layer]:
        for index, variable in enumerate(own_variables(one)):
            learned = isinstance(variable, Variable) and variable.is_parameter
            stopped = id(one) in frozen or (learned and not cast(Any, variable).trainable)
            slot = Slot(one, variable, index, learned, stopped)
            found.setdefault(id(variable), slot)
    return list(found.values())


def _layers(layer: Tracked) -> Iterator[Tracked]:
    yield layer
    listed: Any = getattr(layer, "_listed_layers", None)
    below = [one for _, one in children(layer)] if listed is None else listed()
    for one in cast("list[Tracked]", below):
        yield from _layers(one)


def orders_of(slots: Sequence[Slot]) -> list[list[Slot]]:
    """Return the orders in which Keras may have stored weights, the most likely first.

    It stores the trainable weights first, as they were when the file was written: a layer may have
    been frozen then, or not.
    """
    return [
        sorted(slots, key=lambda slot: not slot.trainable or slot.frozen),
        sorted(slots, key=lambda slot: not slot.trainable),
        list(slots),
    ]


def without_gates(slots: Sequence[Slot], arrays: Sequence[Named], origin: Origin) -> list[Named]:
    """Join the arrays of single gates, which Keras 1 stores for recurrent layers.

    Args:
        slots: the weights, in an order of the file.
        arrays: the arrays of the file.
        origin: what wrote the file.

    Returns:
        An array for each of the weights; the arrays as they are if Keras 1 did not write them.
    """
    if origin.version >= (2, 0) or len(arrays) == len(slots):
        return list(arrays)
    rest, found = list(arrays), list[Named]()
    for slot in slots:
        gates = _GATES.get(type(slot.layer).__name__)
        if gates is None:
            found += [rest.pop(0)] if rest else []
        elif slot.index == 0:
            taken, rest = rest[: 3 * gates], rest[3 * gates :]
            found += [_joined(taken[kind::3], gates) for kind in range(3) if taken[kind::3]]
    return [*found, *rest]


def _joined(arrays: Sequence[Named], gates: int) -> Named:
    parts = [array for _, array in arrays]
    if len(parts) != gates or len({part.shape for part in parts}) != 1 or not parts[0].shape:
        return arrays[0]
    ordered = [parts[index] for index in _ORDER[gates]]
    # Kernels of a convolution with the channels first have their filters on the first axis.
    axis = 0 if len(parts[0].shape) == 4 and parts[0].shape[0] > parts[0].shape[-1] else -1
    shape = list(parts[0].shape)
    shape[axis] *= gates

    def compute() -> np.ndarray:
        return np.concatenate([part.read() for part in ordered], axis)

    return arrays[0][0], converted(tuple(shape), parts[0].dtype, compute)


def modernized(slot: Slot, named: Sequence[Named], index: int, origin: Origin) -> Named:
    """Convert an array to the layout of its weight.

    Args:
        slot: the weight.
        named: the arrays of its layer's own weights, in their order.
        index: the position of the array among them.
        origin: what wrote the file.

    Returns:
        The name, and the array as the layer has it; the array as it is if it is in that layout.
    """
    name, array = named[index]
    kind = type(slot.layer).__name__
    if kind in ("GRU", "LSTM"):
        change = _from_cudnn(slot.layer, [one for _, one in named], index)
    elif kind in _CONVOLUTIONS and index < (2 if kind == "ConvLSTM2D" else 1):
        change = _of_convolution(kind, slot, array, origin)
    else:
        change = None
    return (name, array) if change is None else (name, change)


def _from_cudnn(layer: Tracked, arrays: list[StoredArray], index: int) -> StoredArray | None:
    """Convert an array of a layer of cuDNN, which has two biases for each gate.

    The layouts are those of Keras's own conversion.
    """
    units = int(cast(Any, layer).units)
    gates = _GATES[type(layer).__name__]
    if len(arrays) != 3 or arrays[2].shape != (2 * gates * units,):
        return None
    array = arrays[index]

    def by_gate(change: Callable[[np.ndarray], np.ndarray]) -> StoredArray:
        def compute() -> np.ndarray:
            return np.hstack([change(part) for part in np.hsplit(array.read(), gates)])

        return converted(array.shape, array.dtype, compute)

    if index == 0:
        return by_gate(lambda kernel: kernel.T.reshape(kernel.shape, order="F"))
    if index == 1:
        return by_gate(np.transpose)
    if gates == 3:
        shape = (2, gates * units)
        return converted(shape, array.dtype, lambda: array.read().reshape(shape))
    return converted((gates * units,), array.dtype, lambda: array.read().reshape(2, -1).sum(axis=0))


def _of_convolution(
    kind: str, slot: Slot, array: StoredArray, origin: Origin
) -> StoredArray | None:
    """Convert a kernel of Keras 1, or of Theano, which turns kernels around."""
    axes = tuple(range(len(array.shape)))
    spatial: tuple[int, ...] = axes[:-2]
    if origin.version < (2, 0):
        axes = _axes_of_keras_1(kind, slot, array)
    turned = origin.backend == "theano"
    drop = kind == "Conv1D" and len(axes) == 4  # Keras 1 has a second axis of size 1
    if axes == tuple(range(len(axes))) and not turned and not drop:
        return None
    shape = tuple(array.shape[axis] for axis in axes)
    if drop:
        if shape[1] != 1:
            return None
        shape = (shape[0], *shape[2:])
        spatial = (0,)

    def compute() -> np.ndarray:
        values = array.read().transpose(axes).reshape(shape)
        return np.flip(values, spatial) if turned else values

    return converted(shape, array.dtype, compute)


def _axes_of_keras_1(kind: str, slot: Slot, array: StoredArray) -> tuple[int, ...]:
    """The axes of a kernel of Keras 1 in the order of newer versions."""
    rank = len(array.shape)
    first = getattr(slot.layer, "data_format", None) == "channels_first"
    if kind == "Conv1D" and rank == 4:
        size = cast(Any, slot.variable).shape
        modern = array.shape[1] == 1 and array.shape[0] == size[0] and array.shape[3] == size[2]
        return (0, 1, 2, 3) if modern else (2, 3, 1, 0)
    if kind == "Conv2DTranspose":
        return (2, 3, 0, 1) if first else (0, 1, 3, 2)
    if first and kind != "Conv1D":
        return (*range(2, rank), 1, 0)
    return tuple(range(rank))
