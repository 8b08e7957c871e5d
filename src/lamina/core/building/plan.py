"""The plan of a build, as data: every weight, every call, and nothing allocated."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from lamina.core.base.sites import Site
from lamina.core.specs.spec import Arguments, map_specs

__all__ = ["Plan", "PlanDiff", "PlannedCall", "PlannedVariable"]


@dataclass(frozen=True)
class PlannedVariable:
    """One weight of a plan; `nbytes` is its size in bytes."""

    path: str
    shape: tuple[int, ...]
    dtype: str
    initializer: str
    trainable: bool
    nbytes: int
    declared_at: Site

    @property
    def size(self) -> int:
        count = 1
        for dim in self.shape:
            count *= dim
        return count


@dataclass
class PlannedCall:
    """One call of a layer, in the order in which the calls began."""

    path: str
    layer: str
    inputs: Arguments
    outputs: Any
    called_at: Site


@dataclass(frozen=True)
class PlanDiff:
    """What changed from one plan to another, by path."""

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
    """What a build would do: weights, calls, and what is not as one would think.

    Attributes:
        variables: every weight of the tree, in the order of the walk.
        calls: every call of a layer, in order.
        unused: paths of tracked layers that no call reached.
        aliases: other paths of shared layers and variables, with the path each goes by.
        external: models built and frozen outside of the tree that it uses.
        notes: what the other training mode could not do, if anything.
    """

    variables: tuple[PlannedVariable, ...]
    calls: tuple[PlannedCall, ...]
    unused: tuple[str, ...]
    aliases: dict[str, str]
    external: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())

    def count_params(self) -> int:
        """The number of scalars in all weights."""
        return sum(variable.size for variable in self.variables)

    @property
    def nbytes(self) -> int:
        """The bytes that the weights take."""
        return sum(variable.nbytes for variable in self.variables)

    def diff(self, other: Plan) -> PlanDiff:
        """What `other` has that this plan has not, and the other way round."""
        mine = {variable.path: variable for variable in self.variables}
        theirs = {variable.path: variable for variable in other.variables}
        both = [path for path in mine if path in theirs]
        return PlanDiff(
            added=tuple(theirs[path] for path in theirs if path not in mine),
            removed=tuple(mine[path] for path in mine if path not in theirs),
            changed=tuple((mine[p], theirs[p]) for p in both if _kind(mine[p]) != _kind(theirs[p])),
        )

    def to_json(self) -> str:
        """The plan as JSON text."""
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
        lines += [f"  uses, from outside: {name}" for name in self.external]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def _kind(variable: PlannedVariable) -> tuple[Any, ...]:
    return (variable.shape, variable.dtype, variable.initializer, variable.trainable)


def _plain(tree: Any) -> Any:
    return map_specs(lambda spec: {"shape": list(spec.shape), "dtype": str(spec.dtype)}, tree)
