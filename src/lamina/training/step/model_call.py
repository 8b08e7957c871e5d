"""Calls of a model in training: all that training uses of the core's machinery for calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

import jax

from lamina.core.calling.repeated_call import ObservedCall, observe, repeat_call
from lamina.core.calling.root_call import Root
from lamina.core.running.added_losses import losses_so_far, penalties
from lamina.core.running.computing_calls import GivenCall
from lamina.core.running.keys import split_for
from lamina.core.running.scope import current
from lamina.core.specs.signature import method_of
from lamina.core.tree.build_state import unbuilt
from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import Tree

__all__ = [
    "LayerCall",
    "ModelCall",
    "added_losses",
    "call_layer",
    "call_on",
    "current_layer_call",
    "has_added_losses",
    "is_training",
    "new_key",
    "output_masks",
    "unbuilt_layers",
]

LayerCall: TypeAlias = ObservedCall
"""A recorded call of one layer: its mode, key and dtype."""

call_layer = repeat_call
"""Call one layer as recorded, on given values of its variables."""

current_layer_call = observe
"""Record the call of a layer that is running."""


class ModelCall:
    """A call of a function of one batch, such as an objective, as a call of the model.

    Args:
        model: the layer whose weights the function reads.
        function: of the batch; it calls the model.
        batch: the batch.
        training: the mode of the call.
        key: a random key for dropout; None without randomness.
    """

    def __init__(
        self,
        model: Tracked,
        function: Callable[[Any], Any],
        batch: Any,
        training: bool,
        key: jax.Array | None = None,
    ) -> None:
        options = {"training": training} if key is None else {"training": training, "rng": key}
        self._root = Root(model, function, (batch,), options)

    def build(self, unreached: Sequence[Tracked]) -> set[int]:
        """Build the layers that the call reaches.

        In a `with` block of a placement, the model is moved to it.

        Args:
            unreached: layers that no call has reached before; they may stay unbuilt.

        Returns:
            The ids of the variables that the call reads.
        """
        return set(self._root.ensure_all(unreached, moves=True))

    def apply(
        self,
        values: dict[int, Any],
        watcher: Callable[[str, str, Any, Any], None] | None = None,
    ) -> tuple[Any, dict[int, Any]]:
        """Run on given values of variables by id; return the result and the assigned values.

        Args:
            values: by id.
            watcher: called as by :meth:`watch`; None (default) for nothing.
        """
        self._root.ensure()
        return self._root.apply(values, watcher)

    def enter(self, values: dict[int, Any]) -> tuple[Any, dict[int, Any]]:
        """Run as :meth:`apply`, a function that the model's plan does not know.

        Args:
            values: by id.
        """
        call = GivenCall(self._root.layer, values)
        return self._root.enter(call), call.written

    def run(self) -> Any:
        """Run on the present weights and discard assigned values."""
        return self._root.dry_run()

    def watch(self, watcher: Callable[[str, str, Any, Any], None]) -> None:
        """Run and call ``watcher(path, class name, inputs, outputs)`` after each layer's call."""
        self._root.watched(watcher)


def call_on(layer: Tracked, inputs: Any) -> Any:
    """Call a layer on the inputs of a batch.

    If `call` has several required arguments, a tuple or list is passed by position, and a dict with
    their names by name. Otherwise the inputs are one argument, of any structure.
    """
    info = method_of(type(layer), "call")
    parameters = info.signature.parameters.values()
    required = [p.name for p in parameters if p.default is p.empty and p.kind in (0, 1, 3)]
    call: Callable[..., Any] = cast(Any, layer)
    if len(required) > 1:
        if isinstance(inputs, dict) and set(required) <= set(cast(dict[str, Any], inputs)):
            return call(**inputs)
        if isinstance(inputs, list | tuple):
            return call(*cast(Sequence[Any], inputs))
    return call(inputs)


def new_key() -> Any:
    """Return a new random key of the running call; None if it has none."""
    scope = current()
    if scope is None or scope.key is None:
        return None
    return split_for(scope.call, scope.layer, scope.key)


def has_added_losses() -> bool:
    """Return whether a layer has added a loss in the call that is running."""
    return bool(losses_so_far())


def added_losses(model: Tracked) -> list[Any]:
    """Return the losses added in the call that is running, and the regularization penalties."""
    return [*losses_so_far(), *penalties(model)]


def output_masks(outputs: Any) -> Any:
    """Return the masks of the outputs of a call within the running one; None without any."""
    scope = current()
    return None if scope is None else scope.call.masks.of_tree(outputs)


def is_training() -> bool:
    """Return whether the call that is running is in training mode."""
    scope = current()
    return scope is not None and scope.training


def unbuilt_layers(tree: Tree) -> list[Tracked]:
    """Return the layers of a tree that have declared no weights yet and will when reached."""
    return unbuilt(tree)
