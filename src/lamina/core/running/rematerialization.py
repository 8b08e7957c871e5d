"""Rematerialization: calls whose activations are recomputed in the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, cast

import jax

from lamina.core.base.pytrees import flatten, unflatten
from lamina.core.running.interpreter import Effects, Interpreter
from lamina.core.running.keys import Key
from lamina.core.running.masks import copy_masks
from lamina.core.running.scope import current, run_in
from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import walk

__all__ = ["CHOSEN", "rematerialized"]

CHOSEN: ContextVar[Callable[[Any], bool] | None] = ContextVar("lamina_remat", default=None)
"""Chooses the layers to rematerialize, of those that are made; None outside of such blocks."""


def rematerialized(
    layer: Tracked, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a layer within the running call without storing its activations.

    Unlike `jax.checkpoint` around a layer, it supports layers that assign state or add losses.

    Args:
        layer: the layer.
        call: calls the layer: ``call(*args, **kwargs)``.
        args: the positional inputs.
        kwargs: the keyword inputs.
    """
    scope = current()
    assert scope is not None
    if scope.call.decoding is not None:  # it has no backward pass
        return call(*args, **kwargs)
    variables = [variable for _, variable in walk(layer).variables.values()]
    leaves, structure = flatten((args, kwargs))
    places = [index for index, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)]
    children: list[Interpreter] = []
    masks = scope.call.masks
    key = scope.key
    outside = key.state if key is not None and key.is_outside_loop else None

    def run(values: list[Any], key_value: Any, arrays: list[Any]) -> tuple[Any, Effects]:
        inputs = list(leaves)
        for index, array in zip(places, arrays, strict=True):
            inputs[index] = array
        inner_args, inner_kwargs = unflatten(structure, inputs)
        given = {id(v): value for v, value in zip(variables, values, strict=True)}
        child = scope.call.child(given)
        children.append(child)
        inner = None if key is None else Key(key_value, key.drawn, outside)
        within = scope._replace(call=child, key=inner)
        copy_masks(masks, leaves, inputs)
        outputs = run_in(within, lambda: call(*inner_args, **inner_kwargs))
        return (outputs, masks.of_tree(outputs)), child.effects()

    values = [scope.call.peek(variable) for variable in variables]
    arrays = [leaves[index] for index in places]
    key_value = None if key is None else key.value
    (outputs, found), effects = cast(Any, jax.checkpoint)(run)(values, key_value, arrays)
    scope.call.absorb(children[-1], effects)
    masks.record_tree(outputs, found)
    return outputs
