"""The variables of optimizers in the older HDF5 format of Keras, in the order of Keras 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np

from lamina.saving.keras.arrays import StoredArray, converted
from lamina.saving.keras.optimizer_slots import ITERATION, RATE, Entry

__all__ = ["in_order"]

_NUMBERS = {"iter": ITERATION, "iterations": ITERATION, ITERATION: ITERATION, RATE: RATE}

_ALIASES: dict[str, tuple[str, ...]] = {
    "accumulated_delta_var": ("accum_var", "accumulated_delta_var"),
    "accumulated_grad": ("accum_grad", "accumulated_grad"),
    "accumulator": ("accumulator",),
    "average": ("average",),
    "average_gradient": ("mg", "average_gradient"),
    "linear": ("linear",),
    "momentum": ("m", "momentum"),
    "norm": ("v", "u"),
    "velocity": ("v", "rms", "velocity"),
    "velocity_hat": ("vhat",),
}
"""The names that Keras 2 has for the slots of Keras 3."""


def in_order(
    entries: Sequence[Entry], names: Sequence[str], stored: Sequence[StoredArray], rate: float
) -> list[StoredArray]:
    """Bring the variables of an optimizer into the order of Keras 3.

    Keras 2 names variables by the weight and the slot, its first versions only by numbers; all
    have the arrays of one slot in the order of the weights.

    Args:
        entries: the variables that Keras 3 has.
        names: the names in the file.
        stored: the arrays of these names.
        rate: the learning rate, which Keras 2 does not store here.

    Returns:
        One array for each entry; the arrays as they are if they are not those of this optimizer.
    """
    if not any(name.endswith(":0") or name.startswith("param_") for name in names):  # of Keras 3
        return list(stored)
    slots = list(dict.fromkeys(entry.name for entry in entries if entry.weight is not None))
    sizes = {slot: sum(entry.name == slot for entry in entries) for slot in slots}
    numbers, lists = _by_slot(sizes, names, stored)
    if {slot: len(lists[slot]) for slot in slots} != sizes:
        return list(stored)
    found: list[StoredArray] = []
    for entry in entries:
        if entry.weight is not None:
            found.append(lists[entry.name].pop(0))
        elif entry.name in numbers:
            found.append(numbers[entry.name])
        else:
            found.append(_constant(entry, rate if entry.name == RATE else 0.0))
    return found


def _by_slot(
    sizes: Mapping[str, int], names: Sequence[str], stored: Sequence[StoredArray]
) -> tuple[dict[str, StoredArray], dict[str, list[StoredArray]]]:
    """The numbers by name, and the arrays of each slot in the order of the weights.

    Args:
        sizes: the number of arrays of each slot.
        names: the names in the file.
        stored: the arrays of these names.
    """
    tokens = {alias: slot for slot in sizes for alias in _ALIASES.get(slot, ())}
    numbers: dict[str, StoredArray] = {}
    lists: dict[str, list[StoredArray]] = {slot: [] for slot in sizes}
    others: list[StoredArray] = []
    for name, array in zip(names, stored, strict=True):
        first, *rest = name.removesuffix(":0").split("/")
        last = rest[-1] if rest else first
        number = _NUMBERS.get(last.rstrip("_0123456789"))
        slot = tokens.get(last) or (tokens.get(rest[0]) if len(rest) > 1 else None)
        if number is not None and not array.shape:
            numbers[number] = array
        elif slot is not None:
            lists[slot].append(array)
        else:
            others.append(array)
    if not any(lists.values()):  # the names say nothing: one slot after the other
        if others and not others[0].shape:
            numbers.setdefault(ITERATION, others[0])
        rest = (array for array in others if array.shape)
        lists = {slot: list(islice(rest, size)) for slot, size in sizes.items()}
    return numbers, lists


def _constant(entry: Entry, value: float) -> StoredArray:
    return converted((), entry.dtype, lambda: np.asarray(value))
