"""Calls of layers by users: `layer(...)` and `layer.apply(...)`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from lamina.core.base.inputs import as_arguments
from lamina.core.base.jax_internals import is_staged
from lamina.core.base.sites import site
from lamina.core.calling.root_call import Root, by_identity
from lamina.core.running.added_losses import collect
from lamina.core.running.input_checks import check_symbolic_input
from lamina.core.running.keys import Key, as_key
from lamina.core.running.layer_call import run_layer
from lamina.core.running.scope import as_mode, current, run_in
from lamina.core.specs.signature import method_of
from lamina.core.tree.node import Symbolic, Tracked
from lamina.core.tree.values import SURROUNDING
from lamina.core.tree.walk import walk
from lamina.errors import explain

__all__ = ["apply", "invoke"]


def invoke(layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a layer: as a root, within another call, or on symbolic values of a graph.

    Args:
        layer: the layer.
        args: the positional arguments.
        kwargs: the keyword arguments, with `training` and `rng`.
    """
    symbol = _symbolic((args, kwargs))
    if symbol is not None:
        if "input_spec" in layer.__dict__:
            check_symbolic_input(layer, args, kwargs)
        return symbol.apply(layer, args, kwargs)
    scope = current()
    if scope is None:
        frozen = SURROUNDING.get() is None and layer._lamina.built is not None and is_staged()
        if frozen and walk(layer).variables:
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
    """Return the first symbolic value in arguments; None if there is none."""
    if issubclass(value.__class__, _NESTED):
        for item in value.values() if issubclass(value.__class__, dict) else value:
            found = _symbolic(item)
            if found is not None:
                return found
    return value if isinstance(value, Symbolic) else None


def _warn_frozen(layer: Tracked) -> None:
    warnings.warn(
        explain(
            f"{type(layer).__name__} is called while JAX traces a program, and its weights are not "
            "arguments: they become constants of the program.",
            where=f"called at {site()}",
            expected="weights passed as arguments",
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
    """Call a layer on explicit values; the layer itself only changes by its first build.

    Args:
        layer: the layer.
        values: the values of its variables, by path.
        args: the positional arguments.
        kwargs: the keyword arguments, with `training`, `rng` and `method`.

    Returns:
        The outputs, and the values with those that the call assigned.
    """
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
