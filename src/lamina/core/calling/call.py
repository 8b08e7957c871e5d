"""Calls of layers: as the root or within another call; pure; rematerialised."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, cast

import jax

from lamina.core.base.inputs import as_arguments
from lamina.core.base.jax_internals import is_staged
from lamina.core.base.pytrees import flatten, unflatten
from lamina.core.base.sites import site
from lamina.core.calling.root import Root, by_identity
from lamina.core.running.added_losses import collect
from lamina.core.running.interpreter import Effects, Interpreter
from lamina.core.running.keys import Key, as_key
from lamina.core.running.layer_call import run_layer
from lamina.core.running.scope import Scope, as_mode, current, run_in
from lamina.core.specs.signature import method_of
from lamina.core.tree.node import Symbolic, Tracked
from lamina.core.tree.walk import walk
from lamina.errors import explain

__all__ = ["apply", "checkpoint", "invoke", "remat"]


def invoke(layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`layer(...)`: within another call, as the root of one, or in a graph that is being made."""
    symbol = _symbolic((args, kwargs))
    if symbol is not None:
        return symbol.apply(layer, args, kwargs)
    scope = current()
    if scope is None:
        if layer._lamina.built is not None and is_staged():
            _warn_frozen(layer)
        return Root(layer, "call", args, kwargs).call()
    info = method_of(type(layer), "call")
    kwargs = dict(kwargs)
    args, training = info.split_training(args, kwargs)
    mode = as_mode(training, scope.training)
    rng = kwargs.pop("rng", None)
    key = scope.key if rng is None else Key(as_key(rng))
    args, kwargs = as_arguments(args, kwargs, info.label)
    return run_layer(scope.call, layer, "call", args, kwargs, mode, key)


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
    scope = current()
    within = None if scope is None else scope.call.tracing(layer)
    if within is not None:
        return root.enter(within), dict(values)
    root.ensure()
    given = by_identity(layer, values)
    outputs, call = run_in(None, lambda: root.run(given))
    collect(layer, call.losses, given)
    variables = walk(layer).by_path()
    given |= call.written
    return outputs, {path: given[id(variables[path])] for path in values}


class Checkpoint:
    """A layer whose activations are computed again in the backward pass; it carries state."""

    def __init__(self, layer: Tracked) -> None:
        self._layer = layer

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        scope = current()
        if scope is None:
            return invoke(self._layer, args, kwargs)
        args, kwargs = as_arguments(args, kwargs, type(self._layer).__name__)
        return rematerialised(scope, self._layer, args, kwargs)


def rematerialised(
    scope: Scope, layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a layer within a call; what it computes is computed again in the backward pass.

    Args:
        scope: of the layer around.
        layer: the layer that is called.
        args: its inputs by position.
        kwargs: its inputs by name.
    """
    variables = [variable for _, variable in walk(layer).variables.values()]
    leaves, structure = flatten((args, kwargs))
    places = [index for index, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)]
    children: list[Interpreter] = []

    def run(values: list[Any], key: Any, arrays: list[Any]) -> tuple[Any, Effects]:
        inputs = list(leaves)
        for index, array in zip(places, arrays, strict=True):
            inputs[index] = array
        inner_args, inner_kwargs = unflatten(structure, inputs)
        given = {id(v): value for v, value in zip(variables, values, strict=True)}
        child = scope.call.child(given)
        children.append(child)
        inner = None if scope.key is None else scope.key.carried(key)
        within = scope._replace(call=child, key=inner)
        outputs = run_in(within, lambda: invoke(layer, inner_args, inner_kwargs))
        return outputs, child.effects()

    key = None if scope.key is None else scope.key.value
    current_values = [scope.call.peek(variable) for variable in variables]
    arrays = [leaves[index] for index in places]
    outputs, effects = cast(Any, jax.checkpoint)(run)(current_values, key, arrays)
    scope.call.absorb(children[-1], effects)
    return outputs


def checkpoint(layer: Tracked) -> Checkpoint:
    """A layer that keeps no activations: they are computed again in the backward pass.

    Unlike `jax.checkpoint` around a layer, it carries state that the layer assigns.
    """
    return Checkpoint(layer)


remat = checkpoint
"""`checkpoint` by JAX's other name for it."""
