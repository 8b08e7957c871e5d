"""Execution of equal layers with stacked weights, by `jax.lax.scan` or `jax.vmap`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp

from lamina.core.base.jax_internals import is_staged
from lamina.core.base.pytrees import flatten, leaves_of, map_tree
from lamina.core.base.sites import site
from lamina.core.running.interpreter import Interpreter
from lamina.core.running.keys import Key
from lamina.core.running.masks import copy_masks
from lamina.core.running.scope import current, decoding, run_in
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain

__all__ = ["InParallel", "InSequence", "run_copies"]


class InSequence:
    """Runs copies in sequence: the outputs of each are the inputs of the next.

    A program contains one copy, which `jax.lax.scan` repeats. Outside of programs, where `scan`
    would be compiled at each call, and in incremental calls, the copies run one by one.

    Args:
        owner: the layer that holds the copies, for errors.
        count: number of copies.
        inputs: inputs of the first copy.
    """

    keeps_masks = True

    def __init__(self, owner: Tracked, count: int, inputs: Any) -> None:
        self._owner = owner
        self._count = count
        self.inputs = inputs
        self._inputs = map_tree(_strong, inputs)

    def run(self, one: Callable[[Any, Any, Any], Any], values: Any) -> Any:
        def body(carry: Any, copy: tuple[Any, Any]) -> tuple[Any, Any]:
            outputs, effects = one(*copy, carry)
            return self._checked(outputs), effects

        # In an incremental call, each copy has its own caches.
        if is_staged() and decoding() is None:
            return jax.lax.scan(body, self._inputs, (values, jnp.arange(self._count)))
        outputs, found = self._inputs, []
        for index in range(self._count):
            outputs, effects = body(outputs, ([value[index] for value in values], index))
            found.append(effects)
        return outputs, jax.tree.map(lambda *each: jnp.stack(each), *found)

    def plan(self, one: Callable[[Any], Any]) -> Any:
        return self._checked(one(self._inputs))

    def _checked(self, outputs: Any) -> Any:
        outputs = map_tree(_strong, outputs)
        expected, received = _types(self._inputs), _types(outputs)
        if expected == received:
            return outputs
        raise InputError(
            explain(
                f"The outputs of a layer in {type(self._owner).__name__} differ from its inputs in "
                "structure, shape or dtype.",
                where=f"made at {self._owner._lamina.made_at}; called at {site()}",
                expected=", ".join(expected[0]),
                received=", ".join(received[0]),
                remedy="Return outputs with the shape and dtype of the first input.",
            )
        )


class InParallel:
    """Runs copies in parallel, by `jax.vmap`, on the same inputs.

    Args:
        count: number of copies.
        inputs: inputs of each copy.
    """

    keeps_masks = False  # the outputs have one more axis

    def __init__(self, count: int, inputs: Any) -> None:
        self._count = count
        self.inputs = inputs

    def run(self, one: Callable[[Any, Any, Any], Any], values: Any) -> Any:
        def run_one(values: Any, index: Any) -> Any:
            return one(values, index, self.inputs)

        return cast(Any, jax.vmap)(run_one)(values, jnp.arange(self._count))

    def plan(self, one: Callable[[Any], Any]) -> Any:
        def stacked(leaf: Any) -> Any:
            return jnp.broadcast_to(leaf, (self._count, *jnp.shape(leaf)))

        return map_tree(stacked, one(self.inputs))


def run_copies(layer: Tracked, runner: InSequence | InParallel, call: Callable[[Any], Any]) -> Any:
    """Run the copies that a layer stands for, within the running call.

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
    masks = scope.call.masks
    found: list[Any] = []

    def step(within: Interpreter, inputs: Any) -> Any:
        # All copies draw the same number of keys, so the counts of one hold for all.
        inner = None if key is None else Key(key.value, dict(key.drawn), outside)
        keys.append(inner)
        copy_masks(masks, runner.inputs, inputs)
        outputs = run_in(scope._replace(call=within, key=inner), lambda: call(inputs))
        found.append(masks.of_tree(outputs))
        return outputs

    outputs = scope.call.run_copies(layer, runner, step)
    if runner.keeps_masks and found[-1] is not None:
        # Masks that a copy computes end with its trace; that of the inputs is valid outside.
        outer = {id(mask) for mask in leaves_of(masks.of_tree(runner.inputs))}
        masks.record_tree(outputs, map_tree(lambda m: m if id(m) in outer else None, found[-1]))
    if key is not None and keys[-1] is not None:
        key.drawn.update(keys[-1].drawn)
    return outputs


def _strong(leaf: Any) -> Any:
    """Convert a weakly typed array to a strongly typed one, as `scan` requires."""
    return jax.lax.convert_element_type(leaf, leaf.dtype) if isinstance(leaf, jax.Array) else leaf


def _types(tree: Any) -> tuple[list[str], Any]:
    """Return the dtypes and shapes of a pytree as text, and its structure."""
    leaves, structure = flatten(tree)
    types = [
        f"{leaf.dtype}{list(leaf.shape)}" if isinstance(leaf, jax.Array) else repr(leaf)
        for leaf in leaves
    ]
    return types, structure
