"""What interprets a call: where the values of variables come from, and where effects go."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lamina.core.base.jax_internals import trace_state
from lamina.core.running.errors import layer_name, weight_in_call
from lamina.core.specs.signature import build_arguments, method_of
from lamina.core.specs.spec import as_specs, shapes_of
from lamina.core.tree.node import Tracked
from lamina.core.tree.values import Reader, reading
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Tree, frozen_layers, is_unbuilt, own_build, walk
from lamina.errors import InputError, TraceError, TrackingError, explain

__all__ = ["Effects", "GivenCall", "Interpreter", "LiveCall", "WatchedCall"]

_numbers = itertools.count(1)


class Effects(NamedTuple):
    """The arrays among the effects of a call, which a JAX transform must return.

    Attributes:
        written: the last value assigned to each variable, by the variable's identity.
        losses: the scalars added to the loss.
    """

    written: dict[int, Any]
    losses: list[Any]


class Interpreter:
    """One call of a root layer, as a trace is one run of a function in JAX.

    The methods of this class decide what happens when a layer reads a weight, assigns one, calls
    another layer, declares a weight or draws a random key. There is one subclass for each kind of
    call, so that no other code asks which kind is running. Effects are kept here; those of a
    :meth:`child` flow back by :meth:`absorb`.

    Args:
        root: the layer that was called.
        tree: the root's layers and variables; None (default) to walk them when a path is needed.
        parent: the call whose child this is; None (default) for a root's call.

    Attributes:
        number: the number of the call in this process, from 1.
        state: the JAX trace in which the call began.
        reads: how often each variable was read, by the variable's identity.
        written: the value last assigned to each variable.
        writers: the variables assigned, by identity.
        losses: the scalars added to the loss.
        masks: the padding masks of models' outputs, each with the trace that it belongs to.
    """

    def __init__(
        self, root: Tracked, *, tree: Tree | None = None, parent: Interpreter | None = None
    ) -> None:
        self.number = next(_numbers)
        self.root = root
        self.parent = parent
        self.state = trace_state()
        self.reads: dict[int, int] = {}
        self.written: dict[int, Any] = {}
        self.writers: dict[int, Variable] = {}
        self.losses: list[Any] = []
        self.masks: dict[int, tuple[Any, Any]] = {}
        self._tree = tree
        self._frozen: set[int] | None = None

    # What the layers of a call do.

    def read(self, variable: Variable) -> Any:
        """The value of a variable in this call; the read is counted."""
        key = id(variable)
        self.reads[key] = self.reads.get(key, 0) + 1
        return self.peek(variable)

    def peek(self, variable: Variable) -> Any:
        """The value of a variable in this call; nothing is counted."""
        key = id(variable)
        return self.written[key] if key in self.written else self._unwritten(variable)

    def _unwritten(self, variable: Variable) -> Any:
        """The value of a variable that this call has not assigned."""
        raise NotImplementedError

    def assign(self, variable: Variable, value: Any) -> None:
        """Keep a new value of a variable, to be read from here on and returned by the call.

        Raises:
            TraceError: a JAX transform within the call is running, whose values end with it.
        """
        if trace_state() != self.state:
            raise TraceError(
                explain(
                    f"{self.path_of(variable)} was assigned inside a transform of the call that "
                    "reads it (a scan, while or cond body, jax.checkpoint, vmap).",
                    where=f"declared at {variable.declared_at}",
                    expected="assign() in the trace in which the call began",
                    received="assign() in an inner trace, whose values end with it",
                    remedy="Carry the value out and assign it there; for rematerialised layers "
                    "use lamina.checkpoint(layer), which carries state.",
                )
            )
        self.written[id(variable)] = value
        self.writers[id(variable)] = variable

    def run(
        self,
        layer: Tracked,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: dict[str, Any],
    ) -> Any:
        """Run a method of a layer, which is built first where it is not.

        Args:
            layer: the layer that is called.
            method: the name of the method.
            args: the inputs by position.
            kwargs: the inputs by name.
            options: ``training``, where the method takes it.
        """
        if is_unbuilt(layer):
            self.grow()
            if is_unbuilt(layer):
                _build_weightless(layer, args, kwargs)
        return getattr(layer, method)(*args, **kwargs, **options)

    def around(self, function: Callable[[], Any]) -> Any:
        """Run the root's call."""
        return function()

    def declare(self, layer: Tracked, shape: Any, make: Callable[[], Variable]) -> Variable:
        """A layer calls `add_weight`.

        Raises:
            TrackingError: weights cannot be declared in a call of this kind.
        """
        raise TrackingError(weight_in_call(layer_name(self, layer)))

    def build(
        self,
        layer: Tracked,
        written: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        transaction: Callable[[Tracked, tuple[Any, ...], dict[str, Any]], None],
    ) -> None:
        """A layer's `build` is called.

        Args:
            layer: the layer.
            written: the `build` of its class, as the class defines it.
            args: the specs by position.
            kwargs: the specs by name.
            transaction: builds the layer as a root.
        """
        transaction(layer, args, kwargs)

    def drawing(self, layer: Tracked) -> None:
        """A layer is about to draw a random key."""

    # What layers ask of a call.

    def path_of(self, item: Tracked | Variable) -> str:
        """The path of a layer or variable below the root; its class where it has none."""
        if self._tree is None:
            self._tree = walk(self.root)
        return self._tree.path(item)

    def is_visible(self, variable: Variable) -> bool:
        """Whether `layer.variables` lists a variable."""
        return variable.built

    def trains(self, layer: Tracked) -> bool:
        """Whether a layer trains: its own flag and those of the layers above it."""
        if self._frozen is None:
            self._frozen = frozen_layers(walk(self.root))
        return layer._lamina.trainable and id(layer) not in self._frozen

    def known_sizes(self, layer: Tracked, sizes: tuple[Any, ...]) -> tuple[int | None, ...]:
        """The sizes of an array's axes, with None for those that are not known in this call."""
        return sizes

    def grow(self) -> None:
        """Build what was added to the root's tree since it was built."""

    # Calls within the call.

    def child(self, values: Mapping[int, Any]) -> Interpreter:
        """A call within this one, in the trace that is running, on other values.

        Args:
            values: by the identity of the variables; all others are read from this call.
        """
        return GivenCall(self.root, values, tree=self._tree, parent=self)

    def tracing(self, layer: Tracked) -> Interpreter | None:
        """The interpreter of a pure call (`apply`) of a layer in this call; None for its own."""
        return None

    def effects(self) -> Effects:
        """The arrays among the effects of this call."""
        return Effects(self.written, self.losses)

    def absorb(self, child: Interpreter, effects: Effects | None = None) -> None:
        """Take over the effects of a child: reads, assigned values, losses.

        Args:
            child: the call that has ended.
            effects: its :meth:`effects`, where a transform has returned them; None (default) where
                it ran in the same trace as this call.
        """
        found = child.effects() if effects is None else effects
        for key, count in child.reads.items():
            self.reads[key] = self.reads.get(key, 0) + count
        for key, value in found.written.items():
            self.assign(child.writers[key], value)
        self.losses += found.losses
        self.masks |= child.masks


class LiveCall(Interpreter):
    """A call on the values that the variables hold.

    Args:
        root: the layer that was called.
        grow: builds what was added to the root's tree since it was built.
    """

    def __init__(self, root: Tracked, grow: Callable[[], None]) -> None:
        super().__init__(root)
        self.stored = Reader()
        self._grow = grow

    def around(self, function: Callable[[], Any]) -> Any:
        with reading(self.stored):
            return function()

    def _unwritten(self, variable: Variable) -> Any:
        if not variable.built:
            self.grow()
        return self.stored.read(variable)

    def grow(self) -> None:
        self._grow()


class WatchedCall(LiveCall):
    """A live call that reports every layer's call as it ends.

    Args:
        root: the layer that was called.
        grow: builds what was added to the root's tree since it was built.
        watch: called with the path, the class name, the inputs ``(args, kwargs)`` and the outputs.
    """

    def __init__(
        self,
        root: Tracked,
        grow: Callable[[], None],
        watch: Callable[[str, str, Any, Any], None],
    ) -> None:
        super().__init__(root, grow)
        self._watch = watch

    def run(
        self,
        layer: Tracked,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: dict[str, Any],
    ) -> Any:
        outputs = super().run(layer, method, args, kwargs, options)
        self._watch(self.path_of(layer), type(layer).__name__, (args, kwargs), outputs)
        return outputs


class GivenCall(Interpreter):
    """A call on given values: of `apply`, of compiled programs and of training.

    Args:
        root: the layer that was called.
        values: by the identity of the variables.
        tree: the root's layers and variables; None (default) to walk them when a path is needed.
        parent: the call that other variables are read from; None (default) for none.
        grow: builds what was added to the root's tree; None (default) for the parent's way.
    """

    def __init__(
        self,
        root: Tracked,
        values: Mapping[int, Any],
        *,
        tree: Tree | None = None,
        parent: Interpreter | None = None,
        grow: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(root, tree=tree, parent=parent)
        self._values = values
        self._grow = grow

    def _unwritten(self, variable: Variable) -> Any:
        if id(variable) in self._values:
            return self._values[id(variable)]
        if self.parent is not None:
            return self.parent.peek(variable)
        if id(variable) in walk(self.root).variables:
            raise InputError(
                explain(
                    f"{self.path_of(variable)} of {type(self.root).__name__} is not among the "
                    "values given: it was built after they were taken.",
                    where=f"declared at {variable.declared_at}",
                    expected="a value for each path of values()",
                    received="values without it",
                    remedy="Take values() again.",
                )
            )
        return variable.stored()  # of a frozen model outside of the tree

    def run(
        self,
        layer: Tracked,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: dict[str, Any],
    ) -> Any:
        # In the same trace, layers run as they do in the call around.
        if self.parent is not None and self.parent.state == self.state:
            return self.parent.run(layer, method, args, kwargs, options)
        return super().run(layer, method, args, kwargs, options)

    def trains(self, layer: Tracked) -> bool:
        return super().trains(layer) if self.parent is None else self.parent.trains(layer)

    def grow(self) -> None:
        if self._grow is not None:
            self._grow()
        elif self.parent is not None:
            self.parent.grow()


def _build_weightless(layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """A layer that the plan did not reach may set itself up, but may not declare weights."""
    inputs = method_of(type(layer), "call").bind(as_specs(args), as_specs(kwargs))
    written = own_build(layer)
    assert written is not None
    arguments, named = build_arguments(written, inputs, shapes_of)
    written(layer, *arguments, **named)
