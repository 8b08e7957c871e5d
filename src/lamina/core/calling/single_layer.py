"""One layer's call on its own, outside the call of the root that it is a part of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lamina.core.base.jax_internals import trace_state
from lamina.core.running.calls import GivenCall
from lamina.core.running.keys import Key
from lamina.core.running.layer_call import run_layer
from lamina.core.running.scope import Scope, current, run_in
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Tree, walk

__all__ = ["Seen", "alone", "seen_now"]


@dataclass(frozen=True)
class Seen:
    """How a layer was called: in which mode, with which key, in arithmetic of which dtype."""

    layer: Tracked
    training: bool
    key: Any
    dtype: Any
    in_loop: bool

    @property
    def variables(self) -> list[Variable]:
        """Of the layer and all below it."""
        return [variable for _, variable in walk(self.layer).variables.values()]


def seen_now() -> Seen:
    """The call that is running; `in_loop` says that values of it do not leave it."""
    scope = current()
    assert scope is not None
    key = None if scope.key is None else scope.key.value
    inside = trace_state() != scope.call.state
    return Seen(scope.layer, scope.training, key, scope.dtype, inside)


def alone(
    tree: Tree, seen: Seen, values: Sequence[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The outputs of a layer's call as it was seen, on given values of its variables; pure."""
    given = {id(v): value for v, value in zip(seen.variables, values, strict=True)}
    call = GivenCall(seen.layer, given, tree=tree)
    key = None if seen.key is None else Key(seen.key)
    scope = Scope(call, seen.layer, seen.training, key, seen.dtype)
    return run_in(
        scope, lambda: run_layer(call, seen.layer, "call", args, kwargs, seen.training, key)
    )
