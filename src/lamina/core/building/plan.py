"""Plans of builds, as data: the weights and calls of a tree."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from lamina.core.base.sites import Site
from lamina.core.building import errors
from lamina.core.specs.spec import Arguments, map_specs
from lamina.errors import InputError

__all__ = ["Plan", "PlanDiff", "PlannedCall", "PlannedVariable"]


_PlacedPlan = TypeVar("_PlacedPlan", covariant=True)


class _Placer(Protocol[_PlacedPlan]):
    """A placement, as a plan sees it."""

    def of_plan(self, plan: Plan) -> _PlacedPlan: ...


@dataclass(frozen=True)
class PlannedVariable:
    """One weight of a plan.

    Attributes:
        path: its path in the tree.
        shape: the sizes of its axes.
        dtype: name of its dtype.
        initializer: description of its initializer.
        trainable: whether training updates it.
        nbytes: its size in bytes.
        declared_at: the line that declares it.
        layer: the class of the layer that holds it: that of :mod:`lamina.layers` for a subclass.
        stacked: the number of first axes that stack the weights of equal layers.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    initializer: str
    trainable: bool
    nbytes: int
    declared_at: Site
    layer: str = ""
    stacked: int = 0

    @property
    def size(self) -> int:
        """The number of scalars."""
        count = 1
        for dim in self.shape:
            count *= dim
        return count


@dataclass
class PlannedCall:
    """One call of a layer in a plan.

    Attributes:
        path: path of the layer.
        layer: name of its class.
        inputs: the specs of its inputs; unknown dims are None.
        outputs: a pytree of the specs of its outputs.
        called_at: the line that calls it.
    """

    path: str
    layer: str
    inputs: Arguments
    outputs: Any
    called_at: Site


@dataclass(frozen=True)
class PlanDiff:
    """The differences of two plans, by path; False as a bool if there are none.

    Attributes:
        added: the weights that only the second plan has.
        removed: the weights that only the first plan has.
        changed: pairs of weights with the same path that differ in shape, dtype, initializer or
            trainability.
    """

    added: tuple[PlannedVariable, ...]
    removed: tuple[PlannedVariable, ...]
    changed: tuple[tuple[PlannedVariable, PlannedVariable], ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        lines = [f"+ {v.path} {v.shape} {v.dtype}" for v in self.added]
        lines += [f"- {v.path} {v.shape} {v.dtype}" for v in self.removed]
        lines += [f"~ {a.path} {a.shape} {a.dtype} -> {b.shape} {b.dtype}" for a, b in self.changed]
        return "\n".join(lines) or "no change"


@dataclass(frozen=True)
class Plan:
    """The result of tracing a model on specs: all weights and calls, without any allocation.

    ``layer.plan(...)`` returns it; ``print(plan)`` shows it.

    Args:
        variables: tuple, the weights of the tree, in order. Each has ``path``, ``shape``,
            ``dtype``, ``initializer``, ``trainable``, ``nbytes`` (size in bytes) and
            ``declared_at``.
        calls: tuple, the calls of layers, in the order in which they begin. Each has ``path``,
            ``layer`` (class name), ``inputs`` and ``outputs`` (specs), and ``called_at``.
        unused: tuple of str, paths of layers in the tree that no call reached.
        aliases: dict, the other paths of shared layers and variables, with the first path of each.
        external: tuple of str, frozen models outside of the tree that it uses.
        notes: tuple of str, errors of the other training mode; empty by default.

    >>> from lamina import layers
    >>> plan = layers.Dense(4).plan((None, 3))
    >>> print(plan)
    Plan(2 variables, 16 parameters, 1 calls)
      kernel  (3, 4)  float32  glorot_uniform
      bias  (4,)  float32  zeros
    """

    variables: tuple[PlannedVariable, ...]
    calls: tuple[PlannedCall, ...]
    unused: tuple[str, ...]
    aliases: dict[str, str]
    external: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())

    def count_params(self) -> int:
        """Return the number of scalars in all weights."""
        return sum(variable.size for variable in self.variables)

    @property
    def nbytes(self) -> int:
        """The size of all weights in bytes."""
        return sum(variable.nbytes for variable in self.variables)

    def diff(self, other: Plan) -> PlanDiff:
        """Compare the weights of two plans by path.

        Args:
            other: the plan to compare with.

        Returns:
            An object with the tuples ``added`` (weights that only `other` has), ``removed`` and
            ``changed``; it is False as a bool if there are no differences.

        >>> from lamina import layers
        >>> print(layers.Dense(4).plan((None, 3)).diff(layers.Dense(5).plan((None, 3))))
        ~ kernel (3, 4) float32 -> (3, 5) float32
        ~ bias (4,) float32 -> (5,) float32
        """
        mine = {variable.path: variable for variable in self.variables}
        theirs = {variable.path: variable for variable in other.variables}
        both = [path for path in mine if path in theirs]
        return PlanDiff(
            added=tuple(theirs[path] for path in theirs if path not in mine),
            removed=tuple(mine[path] for path in mine if path not in theirs),
            changed=tuple((mine[p], theirs[p]) for p in both if _kind(mine[p]) != _kind(theirs[p])),
        )

    def place(self, placement: _Placer[_PlacedPlan]) -> _PlacedPlan:
        """Show where a placement stores each weight, before anything is allocated.

        Args:
            placement: a :class:`lamina.distribute.Placement`.

        Returns:
            A :class:`lamina.distribute.PlacedPlan`: the bytes for each device, what is replicated
            and why, what does not divide, and the estimated traffic of a step.

        Raises:
            InputError: it is not a placement; or a rule matches no weight, or names an axis that
                the mesh does not have.

        >>> from lamina import layers
        >>> from lamina.distribute import Placement
        >>> placed = layers.Dense(4).plan((None, 3)).place(Placement.fully_sharded())
        >>> placed.nbytes
        64
        """
        if isinstance(placement, type) or not hasattr(placement, "of_plan"):
            raise InputError(errors.not_a_placement(placement))
        return placement.of_plan(self)

    def to_json(self) -> str:
        """Return the plan as JSON.

        Returns:
            str, an object with the attributes of the plan.
        """
        return json.dumps(
            {
                "variables": [
                    {
                        "path": v.path,
                        "shape": list(v.shape),
                        "dtype": v.dtype,
                        "initializer": v.initializer,
                        "trainable": v.trainable,
                        "nbytes": v.nbytes,
                        "declared_at": str(v.declared_at),
                    }
                    for v in self.variables
                ],
                "calls": [
                    {
                        "path": call.path,
                        "layer": call.layer,
                        "inputs": _plain([call.inputs.args, call.inputs.kwargs]),
                        "outputs": _plain(call.outputs),
                        "called_at": str(call.called_at),
                    }
                    for call in self.calls
                ],
                "unused": list(self.unused),
                "aliases": self.aliases,
                "external": list(self.external),
                "notes": list(self.notes),
            },
            default=str,
        )

    def __repr__(self) -> str:
        return (
            f"Plan({len(self.variables)} variables, {self.count_params():,} parameters, "
            f"{len(self.calls)} calls)"
        )

    def __str__(self) -> str:
        lines = [repr(self)]
        lines += [
            f"  {v.path}  {v.shape}  {v.dtype}  {v.initializer}"
            + ("" if v.trainable else "  (not trainable)")
            for v in self.variables
        ]
        lines += [f"  unused: {path}" for path in self.unused]
        lines += [f"  {alias} is {path}" for alias, path in self.aliases.items()]
        lines += [f"  external: {name}" for name in self.external]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def _kind(variable: PlannedVariable) -> tuple[Any, ...]:
    return (variable.shape, variable.dtype, variable.initializer, variable.trainable)


def _plain(tree: Any) -> Any:
    return map_specs(lambda spec: {"shape": list(spec.shape), "dtype": str(spec.dtype)}, tree)
