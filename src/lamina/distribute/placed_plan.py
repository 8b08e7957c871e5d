"""Plans that are placed: the bytes and the traffic of each device, before anything exists."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from jax.sharding import PartitionSpec

from lamina.core.building.plan import Plan, PlannedVariable
from lamina.distribute.partitions import Choice, names_in
from lamina.errors import InputError, explain

__all__ = ["PlacedPlan", "PlacedVariable", "placed_plan"]

_MOST_LISTED = 8


@dataclass(frozen=True)
class PlacedVariable:
    """One weight of a plan, on the devices of a mesh.

    Attributes:
        path: its path in the tree.
        shape: its shape.
        dtype: the name of its dtype.
        partition: the axis of the mesh that splits each of its axes.
        shard: the shape of the part on each device.
        nbytes: the bytes of the whole.
        nbytes_per_device: the bytes of the part on each device.
        reason: why it has this partition.
        problem: why it cannot be stored so; empty if it can.
        trainable: whether training updates it.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    partition: PartitionSpec
    shard: tuple[int, ...]
    nbytes: int
    nbytes_per_device: int
    reason: str
    problem: str
    trainable: bool

    @property
    def is_replicated(self) -> bool:
        """Whether each device has the whole weight."""
        return self.nbytes_per_device == self.nbytes


@dataclass(frozen=True)
class PlacedPlan:
    """A plan on the devices of a mesh; printing it shows a table.

    Attributes:
        variables: the weights, in order.
        mesh: the sizes of the axes of the mesh, by name.
        batch: the axes of the mesh that divide batches.
        activation_traffic: bytes that each device receives in one step for each example of its
            part of the batch, for the sums of products that are split along their inputs.
    """

    variables: tuple[PlacedVariable, ...]
    mesh: Mapping[str, int]
    batch: tuple[str, ...]
    activation_traffic: int

    @property
    def devices(self) -> int:
        """The number of devices."""
        return math.prod(self.mesh.values())

    @property
    def nbytes(self) -> int:
        """The bytes of all weights."""
        return sum(one.nbytes for one in self.variables)

    @property
    def nbytes_per_device(self) -> int:
        """The bytes of the weights on each device."""
        return sum(one.nbytes_per_device for one in self.variables)

    @property
    def training_bytes_per_device(self) -> int:
        """The bytes on each device of weights, gradients and the two moments of Adam."""
        trained = sum(one.nbytes_per_device for one in self.variables if one.trainable)
        return self.nbytes_per_device + 3 * trained

    @property
    def replicated(self) -> tuple[PlacedVariable, ...]:
        """The weights that each device has as a whole; all of them on one device."""
        return tuple(one for one in self.variables if one.is_replicated)

    @property
    def problems(self) -> tuple[PlacedVariable, ...]:
        """The weights that cannot be divided as their rules demand."""
        return tuple(one for one in self.variables if one.problem)

    @property
    def traffic(self) -> int:
        """The bytes that each device receives in one training step for weights and gradients.

        An estimate for ring algorithms: gradients of replicated weights are summed (two passes);
        weights that are split over the batch's axes are gathered forward and backward, and their
        gradients are summed and scattered (three passes).
        """
        return sum(map(self._traffic_of, (one for one in self.variables if one.trainable)))

    def _traffic_of(self, one: PlacedVariable) -> int:
        parts = math.prod(self.mesh[axis] for axis in self.batch)
        used = {name for entry in one.partition for name in names_in(entry)}
        over_batch = math.prod(self.mesh[axis] for axis in self.batch if axis in used)
        left = parts // over_batch
        held = one.nbytes_per_device * over_batch  # what a device needs to compute
        gathered = 3 * held * (over_batch - 1) // over_batch
        summed = 2 * one.nbytes_per_device * (left - 1) // left
        return gathered + summed

    def check(self) -> None:
        """Check that all weights can be divided as their rules demand.

        Raises:
            InputError: some cannot.
        """
        if not self.problems:
            return
        listed = [f"{one.path}: {one.problem}" for one in self.problems[:_MOST_LISTED]]
        more = len(self.problems) - len(listed)
        raise InputError(
            explain(
                "The placement does not divide the weights evenly; nothing was allocated.",
                expected=f"axes that the mesh {dict(self.mesh)} divides",
                received="; ".join(listed) + (f"; and {more} more" if more else ""),
                remedy="Change the rules of these weights, their sizes, or the mesh.",
            )
        )

    def __str__(self) -> str:
        mesh = ", ".join(f"{name}={size}" for name, size in self.mesh.items())
        lines = [
            f"{len(self.variables)} weights, {_bytes(self.nbytes)}, on {self.devices} devices "
            f"({mesh}), batch divided by {', '.join(self.batch) or 'none'}",
        ]
        rows = [("weight", "shape", "partition", "on each device", "bytes", "why")]
        rows += [
            (
                one.path,
                str(one.shape),
                str(one.partition).removeprefix("PartitionSpec"),
                str(one.shard),
                _bytes(one.nbytes_per_device),
                one.problem or one.reason,
            )
            for one in self.variables
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
        for row in rows:
            cells = [text.ljust(width) for text, width in zip(row[:-1], widths, strict=True)]
            lines.append("  ".join(["", *cells, row[-1]]))
        copies = sum(one.nbytes for one in self.replicated)
        lines += [
            f"weights on each device: {_bytes(self.nbytes_per_device)}",
            f"with gradients and the moments of Adam: {_bytes(self.training_bytes_per_device)}",
            f"replicated: {len(self.replicated)} weights, {_bytes(copies)}",
            f"traffic of a step, to each device: {_bytes(self.traffic)} for weights and gradients"
            f", {_bytes(self.activation_traffic)} for the activations of each example",
        ]
        lines += [f"cannot be divided: {one.path}: {one.problem}" for one in self.problems]
        return "\n".join(lines)


def placed_plan(
    plan: Plan, choices: Mapping[str, Choice], mesh: Mapping[str, int], batch: tuple[str, ...]
) -> PlacedPlan:
    """Combine a plan and the partitions of its weights."""
    placed = tuple(_placed(one, choices[one.path], mesh) for one in plan.variables)
    return PlacedPlan(placed, mesh, batch, _activation_traffic(plan, choices, mesh, batch))


def _placed(variable: PlannedVariable, choice: Choice, mesh: Mapping[str, int]) -> PlacedVariable:
    shard: list[int] = []
    problems: list[str] = []
    entries = [*choice.partition, *[None] * (len(variable.shape) - len(choice.partition))]
    for axis, (size, entry) in enumerate(zip(variable.shape, entries, strict=True)):
        parts = math.prod(mesh[name] for name in names_in(entry))
        if size % parts:
            problems.append(f"axis {axis} of {variable.shape} cannot be divided by {parts}")
        shard.append(-(-size // parts))
    width = variable.nbytes // variable.size if variable.size else 0
    return PlacedVariable(
        variable.path,
        variable.shape,
        variable.dtype,
        choice.partition,
        tuple(shard),
        variable.nbytes,
        math.prod(shard) * width,
        choice.reason,
        "; ".join(problems),
        variable.trainable is not False,
    )


def _activation_traffic(
    plan: Plan, choices: Mapping[str, Choice], mesh: Mapping[str, int], batch: tuple[str, ...]
) -> int:
    """Return the bytes of the sums over devices, forward and backward, for each example."""
    split: dict[str, tuple[int, int]] = {}  # by layer: the parts, and the equal layers of a stack
    for one in plan.variables:
        layer, _, own = one.path.rpartition(".")
        first = [*choices[one.path].partition, None][one.stacked : one.stacked + 1]
        names = [name for entry in first for name in names_in(entry) if name not in batch]
        if own == "kernel" and names:
            parts = math.prod(mesh[name] for name in names)
            split[layer] = parts, math.prod(one.shape[: one.stacked])
    total = 0
    for call in plan.calls:
        parts, layers = split.get(call.path, (1, 1))
        shape, dtype = getattr(call.outputs, "shape", None), getattr(call.outputs, "dtype", None)
        if parts > 1 and shape is not None and dtype is not None:
            size = math.prod(size for size in shape[1:] if isinstance(size, int))
            total += layers * (2 * 2 * size * dtype.itemsize * (parts - 1) // parts)
    return total


def _bytes(number: float) -> str:
    """Write a number of bytes in the unit that fits.

    >>> _bytes(1536)
    '1.5 KiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"
