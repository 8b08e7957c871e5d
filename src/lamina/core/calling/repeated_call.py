"""Repetition of the call of one inner layer, outside of the call of its root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lamina.core.base.jax_internals import trace_state
from lamina.core.running.computing_calls import GivenCall
from lamina.core.running.keys import Key
from lamina.core.running.layer_call import run_layer
from lamina.core.running.scope import Scope, current, run_in
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Tree, walk

__all__ = ["ObservedCall", "observe", "repeat_call"]


@dataclass(frozen=True)
class ObservedCall:
    """The context of a layer's call.

    Attributes:
        layer: the layer.
        training: the training mode.
        key: the random key of the call; None if there is none.
        dtype: the compute dtype; None for the dtypes of the arrays.
        in_transform: whether the call is in an inner JAX transform, whose values end with it.
    """

    layer: Tracked
    training: bool
    key: Any
    dtype: Any
    in_transform: bool

    @property
    def variables(self) -> list[Variable]:
        """The variables of the layer and of all layers below it."""
        return [variable for _, variable in walk(self.layer).variables.values()]


def observe() -> ObservedCall:
    """Return the context of the running layer's call."""
    scope = current()
    assert scope is not None
    key = None if scope.key is None else scope.key.value
    inside = trace_state() != scope.call.state
    return ObservedCall(scope.layer, scope.training, key, scope.dtype, inside)


def repeat_call(
    tree: Tree,
    observed: ObservedCall,
    values: Sequence[Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Repeat a call of an inner layer on explicit values, without side effects.

    Args:
        tree: the layers and variables of the root.
        observed: the context of the call.
        values: the values of ``observed.variables``.
        args: the positional inputs.
        kwargs: the keyword inputs.

    Returns:
        The outputs.
    """
    layer, training = observed.layer, observed.training
    by_variable = {id(v): value for v, value in zip(observed.variables, values, strict=True)}
    call = GivenCall(layer, by_variable, tree=tree)
    key = None if observed.key is None else Key(observed.key)
    scope = Scope(call, layer, training, key, observed.dtype)
    return run_in(scope, lambda: run_layer(call, layer, "call", args, kwargs, training, key))
