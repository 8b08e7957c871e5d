"""Several equal layers run as one: their weights are stacked, and one stands for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp

from lamina.core.base.pytrees import flatten, map_tree
from lamina.core.base.sites import site
from lamina.core.running.interpreter import Interpreter, Runner
from lamina.core.running.keys import Key
from lamina.core.running.scope import current, run_in
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain

__all__ = ["InParallel", "InSequence", "run_copies"]


class InSequence:
    """Copies one after the other, by `jax.lax.scan`: each takes what the one before gave.

    Args:
        owner: the layer that holds them, for errors.
        count: how many.
        inputs: of the first.
    """

    def __init__(self, owner: Tracked, count: int, inputs: Any) -> None:
        self._owner = owner
        self._count = count
        self._inputs = map_tree(_strong, inputs)

    def run(self, one: Callable[[Any, Any, Any], Any], values: Any) -> Any:
        def body(carry: Any, given: tuple[Any, Any]) -> tuple[Any, Any]:
            outputs, effects = one(*given, carry)
            return self._checked(outputs), effects

        return jax.lax.scan(body, self._inputs, (values, jnp.arange(self._count)))

    def plan(self, one: Callable[[Any], Any]) -> Any:
        return self._checked(one(self._inputs))

    def _checked(self, outputs: Any) -> Any:
        outputs = map_tree(_strong, outputs)
        expected, received = _forms(self._inputs), _forms(outputs)
        if expected == received:
            return outputs
        raise InputError(
            explain(
                f"A layer in {type(self._owner).__name__} gives outputs that it could not take "
                "as inputs.",
                where=f"made at {self._owner._lamina.made_at}; called at {site()}",
                expected=", ".join(expected[0]),
                received=", ".join(received[0]),
                remedy="Let its outputs have the shape and dtype of its first input.",
            )
        )


class InParallel:
    """Copies at once, by `jax.vmap`: each takes the same inputs.

    Args:
        count: how many.
        inputs: of each.
    """

    def __init__(self, count: int, inputs: Any) -> None:
        self._count = count
        self._inputs = inputs

    def run(self, one: Callable[[Any, Any, Any], Any], values: Any) -> Any:
        def run_one(values: Any, index: Any) -> Any:
            return one(values, index, self._inputs)

        return cast(Any, jax.vmap)(run_one)(values, jnp.arange(self._count))

    def plan(self, one: Callable[[Any], Any]) -> Any:
        def stacked(leaf: Any) -> Any:
            return jnp.broadcast_to(leaf, (self._count, *jnp.shape(leaf)))

        return map_tree(stacked, one(self._inputs))


def run_copies(layer: Tracked, runner: Runner, call: Callable[[Any], Any]) -> Any:
    """Run the copies that a layer stands for, within the call that is running.

    Args:
        layer: the layer.
        runner: runs them in sequence or in parallel.
        call: calls the layer: ``call(inputs)``.
    """
    scope = current()
    assert scope is not None
    key = scope.key
    outside = key.state if key is not None and key.is_outside_loop else None
    keys: list[Key | None] = []

    def step(within: Interpreter, inputs: Any) -> Any:
        # Every copy draws as often as the others, so the counts of one serve for all.
        inner = None if key is None else Key(key.value, dict(key.drawn), outside)
        keys.append(inner)
        return run_in(scope._replace(call=within, key=inner), lambda: call(inputs))

    outputs = scope.call.run_copies(layer, runner, step)
    if key is not None and keys[-1] is not None:
        key.drawn.update(keys[-1].drawn)
    return outputs


def _strong(leaf: Any) -> Any:
    """An array whose dtype is not weak, as `scan` wants it."""
    return jax.lax.convert_element_type(leaf, leaf.dtype) if isinstance(leaf, jax.Array) else leaf


def _forms(tree: Any) -> tuple[list[str], Any]:
    leaves, structure = flatten(tree)
    forms = [
        f"{leaf.dtype}{list(leaf.shape)}" if isinstance(leaf, jax.Array) else repr(leaf)
        for leaf in leaves
    ]
    return forms, structure
