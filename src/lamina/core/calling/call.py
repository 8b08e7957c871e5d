"""Calls of layers: as the root or within another call; pure; rematerialised."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, cast

import jax

from lamina.core.building.reached import is_unbuilt, own_build
from lamina.core.calling.root import Root, by_identity
from lamina.core.inputs import as_arguments
from lamina.core.jax_internals import is_staged, trace_state
from lamina.core.pytrees import flatten, unflatten
from lamina.core.running.added_losses import collect
from lamina.core.running.layer_call import enter
from lamina.core.running.scope import (
    SCOPE,
    Frame,
    Key,
    Scope,
    as_key,
    as_mode,
    current_planner,
)
from lamina.core.sites import site
from lamina.core.specs.signature import build_arguments, method_of
from lamina.core.specs.spec import as_specs, shapes_of
from lamina.core.tree.node import Symbolic, Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import walk
from lamina.errors import explain

__all__ = ["apply", "checkpoint", "invoke", "remat"]


def invoke(layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`layer(...)`: within another call, as the root of one, or in a graph that is being made."""
    symbol = _symbolic((args, kwargs))
    if symbol is not None:
        return symbol.apply(layer, args, kwargs)
    scope = SCOPE.get()
    if scope is None:
        if layer._lamina.built is not None and is_staged():
            _warn_frozen(layer)
        return Root(layer, "call", args, kwargs).call()
    info = method_of(type(layer), "call")
    kwargs = dict(kwargs)
    args, training = info.split_training(args, kwargs)
    mode = as_mode(training, scope.training)
    rng = kwargs.pop("rng", None)
    key = scope.key if rng is None else Key(as_key(rng), trace_state())
    args, kwargs = as_arguments(args, kwargs, info.label)
    frame = scope.frame
    if frame.planner is None and is_unbuilt(layer):
        if frame.grow is not None:
            frame.grow()
        if layer._lamina.built is None:
            _build_weightless(frame, layer, args, kwargs)
    return enter(frame, layer, "call", args, kwargs, mode, key)


_NESTED = (list, tuple, dict)


def _symbolic(value: Any) -> Symbolic | None:
    """A symbolic value among arguments, if there is one."""
    if isinstance(value, _NESTED):
        inside = cast(Any, value)
        for item in inside.values() if isinstance(value, dict) else inside:
            found = _symbolic(item)
            if found is not None:
                return found
    return value if isinstance(value, Symbolic) else None


def _build_weightless(frame: Frame, layer: Tracked, args: Any, kwargs: Any) -> None:
    """A layer that the plan knows nothing of may set itself up, but may not have weights."""
    from_inputs = method_of(type(layer), "call").bind(as_specs(args), as_specs(kwargs))
    written = own_build(layer)
    assert written is not None
    arguments, named = build_arguments(written, from_inputs, shapes_of)
    written(layer, *arguments, **named)


def _warn_frozen(layer: Tracked) -> None:
    warnings.warn(
        explain(
            f"{type(layer).__name__} is called by closure while JAX traces a program: its "
            "weights become constants of that program.",
            where=f"called at {site()}",
            expected="weights as arguments",
            received="a call inside jax.jit, scan or another staged transform",
            remedy="Use outputs, new = layer.apply(values, ...), or lamina.jit(layer).",
        ),
        UserWarning,
        stacklevel=3,
    )


def apply(
    layer: Tracked,
    values: Mapping[str, Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[Any, dict[str, Any]]:
    """Outputs and new values; the layer is not changed but for a first build."""
    kwargs = dict(kwargs)
    root = Root(layer, kwargs.pop("method", None) or "call", args, kwargs)
    scope = SCOPE.get()
    planner = current_planner()
    if scope is not None and planner is not None and planner.holds(layer):
        with planner.aside(scope.frame.reads):  # the values stand for weights that are not read
            return root.enter(scope.frame), dict(values)
    root.ensure()
    given = by_identity(layer, values)
    try:
        SCOPE.set(None)
        outputs, frame = root.run(given)
    finally:
        SCOPE.set(scope)
    collect(layer, frame.losses, given)
    variables = walk(layer).by_path()
    given |= frame.written
    return outputs, {path: given[id(variables[path])] for path in values}


class Checkpoint:
    """A layer whose activations are computed again in the backward pass; it carries state."""

    def __init__(self, layer: Tracked) -> None:
        self._layer = layer

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        scope = SCOPE.get()
        if scope is None or scope.frame.planner is not None:
            return invoke(self._layer, args, kwargs)
        outer = scope.frame
        variables = [variable for _, variable in walk(self._layer).variables.values()]
        args, kwargs = as_arguments(args, kwargs, type(self._layer).__name__)
        leaves, structure = flatten((args, kwargs))
        places = [index for index, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)]
        writers: dict[int, Variable] = {}

        def run(values: list[Any], key: Any, arrays: list[Any]) -> Any:
            inputs = list(leaves)
            for index, array in zip(places, arrays, strict=True):
                inputs[index] = array
            inner_args, inner_kwargs = unflatten(structure, inputs)
            given = {id(v): value for v, value in zip(variables, values, strict=True)}
            frame = Frame(outer.root, values=given, path_of=outer.path_of, parent=outer)
            inner = None if key is None else Key(key, trace_state())
            around = SCOPE.get()
            try:
                SCOPE.set(Scope(frame, scope.layer, scope.training, inner, scope.dtype))
                outputs = invoke(self._layer, inner_args, inner_kwargs)
            finally:
                SCOPE.set(around)
            for place, count in frame.reads.items():
                outer.reads[place] = outer.reads.get(place, 0) + count
            writers.update(frame.writers)
            return outputs, frame.written, frame.losses

        key = None if scope.key is None else scope.key.value
        reads = dict(outer.reads)
        current = [variable.value for variable in variables]
        outer.reads = reads  # gathering them is not the call's own reading
        outputs, written, losses = cast(Any, jax.checkpoint)(run)(
            current, key, [leaves[index] for index in places]
        )
        for place, value in written.items():
            outer.write(writers[place], value)
        outer.losses += losses
        return outputs


def checkpoint(layer: Tracked) -> Checkpoint:
    """A layer that keeps no activations: they are computed again in the backward pass.

    Unlike `jax.checkpoint` around a layer, it carries state that the layer assigns.
    """
    return Checkpoint(layer)


remat = checkpoint
"""`checkpoint` by JAX's other name for it."""
