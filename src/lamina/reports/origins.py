"""Where the dims of a plan come from, and every place that they reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from lamina.core.building.plan import Plan, PlannedCall, PlannedLayer, PlannedVariable
from lamina.core.specs.spec import Spec, map_specs

__all__ = ["Origins", "array_specs", "input_labels", "named_inputs"]

_INPUT = "axis "  # the beginning of a cause that is an axis of an input


class Origins:
    """The places of each dim of an examined plan.

    Args:
        plan: the plan.

    >>> from lamina import Sequential, layers
    >>> from lamina.reports.examination import examine
    >>> model = Sequential([layers.Dense(4), layers.Dense(2)])
    >>> plan = examine(model, (None, 3))
    >>> Origins(plan).of(plan.variables[2], 0)
    'units of layers.0'
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._first: dict[int, str] = {}
        for label, dim in _inputs(plan):
            self._first.setdefault(dim, label)
        for variable in plan.variables:
            for dim, why in zip(variable.dims, variable.why, strict=False):
                if dim >= 0 and why.isidentifier() and why not in ("fixed", "copies", "follows"):
                    self._first.setdefault(dim, f"{why} of {variable.owner or 'the root'}")

    def of(self, variable: PlannedVariable, axis: int) -> str:
        """Return what an axis of a weight follows from outside of its layer; empty if nothing."""
        if axis >= min(len(variable.dims), len(variable.why)):
            return ""
        origin = self._first.get(variable.dims[axis], "")
        own = variable.why[axis]
        inside = not own.startswith(_INPUT) or origin in (own, f"{own} of the model")
        return "" if inside or origin.endswith(f" of {variable.owner}") else origin

    def places(self, dim: int) -> list[str]:
        """Return every place of a dim: of the inputs, of weights, and of outputs of calls."""
        found = [label for label, number in _inputs(self._plan) if number == dim]
        for variable in self._plan.variables:
            found += [
                f"axis {axis} of {variable.path}"
                for axis, number in enumerate(variable.dims)
                if number == dim
            ]
        for index, call in enumerate(self._plan.calls):
            for dims in call.output_dims:
                found += [
                    f"axis {axis - len(dims)} of the output of {call.path or 'the root'}"
                    f" (call {index})"
                    for axis, number in enumerate(dims)
                    if number == dim
                ]
        return list(dict.fromkeys(found))


def _inputs(plan: Plan) -> Iterator[tuple[str, int]]:
    """Yield each axis of the model's inputs: in words, and its dim."""
    root = plan.layers[0] if plan.layers else None
    for call in plan.calls:
        if call.caller < 0:
            for (label, _), dims in zip(input_labels(call, root), call.input_dims, strict=False):
                for axis, dim in enumerate(dims):
                    if dim >= 0:
                        yield f"axis {axis - len(dims)} of {label} of the model", dim


def input_labels(call: PlannedCall, layer: PlannedLayer | None) -> list[tuple[str, Spec]]:
    """Return the arrays of a call's inputs: their names, and their specs."""
    named = named_inputs(call, layer)
    return [pair for name, value in named for pair in _labelled(name, value)]


def named_inputs(call: PlannedCall, layer: PlannedLayer | None) -> list[tuple[str, Any]]:
    """Return the inputs of a call, each with its name; a number if the name is not known.

    Args:
        call: the call.
        layer: its layer; None if it is not known.
    """
    args: Sequence[Any] = call.inputs.args
    names = _names(call, layer)
    needs = () if layer is None else layer.needs or ()
    if len(args) == 1 and len(needs) > 1:  # a graph takes all of its inputs in one dict or list
        inner = args[0]
        if isinstance(inner, dict) and set(cast("dict[str, Any]", inner)) == set(needs):
            return [*cast("dict[str, Any]", inner).items(), *call.inputs.kwargs.items()]
        if isinstance(inner, list | tuple) and len(cast("Sequence[Any]", inner)) == len(needs):
            args = cast("Sequence[Any]", inner)
    found = [(names[k] if k < len(names) else str(k), value) for k, value in enumerate(args)]
    return [*found, *call.inputs.kwargs.items()]


def _names(call: PlannedCall, layer: PlannedLayer | None) -> list[str]:
    """The names of the positional inputs of a call, as far as the plan tells."""
    if layer is None:
        return []
    if call.method != "call":
        is_first = call.method == layer.method and None not in call.inputs.args
        return list(layer.inputs) if is_first else []
    names = [*(layer.needs or ()), *layer.optional]
    star = next((place for place, name in enumerate(names) if name.startswith("*")), len(names))
    several = [f"{name[1:]}_{k}" for name in names[star:][:1] for k in range(len(call.inputs.args))]
    return [*names[:star], *several]


def array_specs(tree: Any) -> list[Spec]:
    """Return the specs of a pytree in order."""
    return [spec for _, spec in _labelled("", tree)]


def _labelled(name: str, value: Any) -> Iterator[tuple[str, Spec]]:
    if isinstance(value, Spec):
        yield name, value
    elif isinstance(value, dict):
        for key, item in cast("dict[Any, Any]", value).items():
            yield from _labelled(f"{name}[{key!r}]", item)
    elif isinstance(value, list | tuple):
        for place, item in enumerate(cast("Sequence[Any]", value)):
            yield from _labelled(f"{name}[{place}]", item)
    else:
        leaves: list[Spec] = []
        map_specs(leaves.append, value)
        yield from ((f"{name}[{place}]", leaf) for place, leaf in enumerate(leaves))
