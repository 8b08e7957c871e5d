"""Partitions of weights over the axes of a mesh: which axis of a weight is split, and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from jax.sharding import PartitionSpec

from lamina.core.building.plan import Plan, PlannedVariable

__all__ = [
    "Choice",
    "Strategy",
    "automatic",
    "fully_sharded",
    "names_in",
    "replicated",
    "tensor_parallel",
]

SMALL = 2**14
"""Weights with fewer elements are replicated by automatic placements: splitting saves nothing."""


class Choice(NamedTuple):
    """The partition of one weight, and the reason for it in words."""

    partition: PartitionSpec
    reason: str


Strategy = Callable[[Plan, Mapping[str, int], tuple[str, ...]], dict[str, Choice]]
"""``(plan, sizes of the mesh's axes, axes of the batch) -> choices by path``."""


def replicated(plan: Plan, sizes: Mapping[str, int], batch: tuple[str, ...]) -> dict[str, Choice]:
    """Replicate all weights, as in data parallelism."""
    reason = "each device has all weights"
    return {one.path: Choice(PartitionSpec(), reason) for one in plan.variables}


def fully_sharded(
    plan: Plan, sizes: Mapping[str, int], batch: tuple[str, ...]
) -> dict[str, Choice]:
    """Split each weight along its largest axis that the devices of the batch divide."""
    return {one.path: _along_largest(one, sizes, batch, {}) for one in plan.variables}


def tensor_parallel(
    plan: Plan, sizes: Mapping[str, int], batch: tuple[str, ...]
) -> dict[str, Choice]:
    """Split the weights of dense, attention, embedding and convolution layers over ``model``.

    Products alternate: the first of two is split along its outputs, the second along its inputs, so
    that activations are summed over devices once for both.
    """
    axes = tuple(axis for axis in sizes if axis not in batch)
    return _tensor_parallel(plan.variables, sizes, axes)


def automatic(plan: Plan, sizes: Mapping[str, int], batch: tuple[str, ...]) -> dict[str, Choice]:
    """Split products over the axes that do not split the batch, and the rest over those that do.

    Weights below 16,384 elements are replicated.
    """
    axes = tuple(axis for axis in sizes if axis not in batch)
    choices = _tensor_parallel(plan.variables, sizes, axes) if axes else {}
    found: dict[str, Choice] = {}
    for one in plan.variables:
        taken: dict[int, tuple[str, ...]] = {}
        reasons: list[str] = []
        choice = choices.get(one.path)
        is_split = choice is not None and any(choice.partition)
        if one.size < SMALL and not (is_split and one.path.rpartition(".")[2] == "bias"):
            found[one.path] = Choice(PartitionSpec(), f"smaller than {SMALL:,} elements")
            continue
        if choice is not None and is_split:
            if one.size < SMALL:
                found[one.path] = choice
                continue
            taken = {n: names_in(entry) for n, entry in enumerate(choice.partition) if entry}
            reasons.append(choice.reason)
        further = _along_largest(one, sizes, batch, taken)
        found[one.path] = Choice(further.partition, "; ".join([*reasons, further.reason]))
    return found


def _along_largest(
    variable: PlannedVariable,
    sizes: Mapping[str, int],
    axes: tuple[str, ...],
    taken: Mapping[int, tuple[str, ...]],
) -> Choice:
    """Split the largest axis that can be divided, of those that are not split already."""
    count = math.prod(sizes[axis] for axis in axes)
    entries: list[str | tuple[str, ...] | None] = [None] * len(variable.shape)
    for axis, names in taken.items():
        entries[axis] = names[0] if len(names) == 1 else names
    if not axes:
        return Choice(PartitionSpec(*entries), "no axis of the mesh divides batches")
    free = [n for n in range(len(variable.shape)) if n not in taken]
    fitting = [n for n in free if variable.shape[n] and variable.shape[n] % count == 0]
    if not fitting:
        reason = f"no axis of {variable.shape} can be divided by {count}"
        return Choice(PartitionSpec(*entries), reason)
    largest = max(fitting, key=lambda n: variable.shape[n])
    entries[largest] = axes[0] if len(axes) == 1 else axes
    return Choice(PartitionSpec(*entries), f"axis {largest} is the largest that fits")


class _Role(NamedTuple):
    """What the axes of a kernel are: inputs, which a product sums over, and outputs."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def _role(variable: PlannedVariable) -> _Role | None:
    """Return the axes of a kernel by its layer; None for other weights."""
    name, rank = variable.path.rpartition(".")[2], len(variable.shape) - variable.stacked
    if name != "kernel" or rank < 2:
        return None
    if variable.layer == "Projection":
        last = _layer_name(variable.path)
        if last == "attention_output":
            return _Role(tuple(range(rank - 1)), (rank - 1,))
        return _Role((0,), tuple(range(1, rank)))
    if variable.layer in ("Dense", "EinsumDense"):
        return _Role((0,), tuple(range(1, rank)))
    return None


def _tensor_parallel(
    variables: Sequence[PlannedVariable], sizes: Mapping[str, int], axes: tuple[str, ...]
) -> dict[str, Choice]:
    count = math.prod(sizes[axis] for axis in axes)
    name = axes[0] if len(axes) == 1 else axes
    found: dict[str, Choice] = {}
    kernels: dict[str, tuple[bool, bool]] = {}  # by layer: split along outputs, split at all
    by_outputs = False  # whether the last dense kernel was split along its outputs

    def split(variable: PlannedVariable, axis: int, reason: str) -> Choice:
        axis += variable.stacked
        if variable.shape[axis] % count:
            return Choice(
                PartitionSpec(), f"axis {axis} of {variable.shape} cannot be divided by {count}"
            )
        entries = [None] * axis + [name]
        return Choice(PartitionSpec(*entries), reason)

    for one in variables:
        own, layer = one.path.rpartition(".")[2], one.path.rpartition(".")[0]
        role = _role(one)
        if role is not None:
            if one.layer == "Projection":
                outputs = _layer_name(one.path) != "attention_output"
            else:
                features, units = _size(one, role.inputs), _size(one, role.outputs)
                outputs = units > features or (units == features and not by_outputs)
                by_outputs = outputs
            reason = "split along its outputs" if outputs else "split along its inputs"
            choice = split(one, (role.outputs if outputs else role.inputs)[0], reason)
            kernels[layer] = outputs, any(choice.partition)
        elif own == "bias" and layer in kernels:
            outputs, is_split = kernels[layer]
            choice = Choice(PartitionSpec(), "added after the sum over devices")
            if outputs and is_split:
                choice = split(one, 0, "split as the outputs of its kernel")
            elif outputs:
                choice = Choice(PartitionSpec(), "its kernel is replicated")
        elif one.layer in ("Embedding", "ReversibleEmbedding") and len(one.shape) >= 2:
            choice = split(one, 0, "split along its rows")
            if not any(choice.partition):
                choice = split(one, 1, "split along its features")
        elif own == "kernel" and one.layer.startswith(("Conv", "Convolution")):
            choice = split(one, len(one.shape) - one.stacked - 1, "split along its filters")
            kernels[layer] = True, any(choice.partition)
        else:
            choice = Choice(PartitionSpec(), f"no part of a product that {one.layer} splits")
        found[one.path] = choice
    return found


def _size(variable: PlannedVariable, axes: tuple[int, ...]) -> int:
    return math.prod(variable.shape[axis + variable.stacked] for axis in axes)


def _layer_name(path: str) -> str:
    """Return the name of the layer that holds a weight."""
    return path.rpartition(".")[0].rpartition(".")[2]


def names_in(entry: Any) -> tuple[str, ...]:
    """Return the axes of a mesh in one entry of a partition.

    >>> names_in(None), names_in("data"), names_in(("data", "model"))
    ((), ('data',), ('data', 'model'))
    """
    if entry is None:
        return ()
    return (entry,) if isinstance(entry, str) else tuple(entry)
