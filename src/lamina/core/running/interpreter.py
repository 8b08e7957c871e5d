"""What interprets a call: where the values of variables come from, and where effects go."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp

from lamina.core.base.jax_internals import trace_state
from lamina.core.running.errors import layer_name, weight_in_call
from lamina.core.specs.signature import build_arguments, method_of
from lamina.core.specs.spec import as_specs, shapes_of
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Tree, copy_paths, frozen_layers, is_unbuilt, own_build, walk
from lamina.errors import TraceError, TrackingError, explain

__all__ = ["Effects", "Interpreter", "Runner", "Step"]

_numbers = itertools.count(1)


Step = Callable[["Interpreter", Any], Any]


class Runner(Protocol):
    """Runs the copies of a layer."""

    def run(self, one: Callable[[Any, Any, Any], Any], values: Any) -> Any:
        """All copies: ``one(values, index, inputs)`` gives outputs and effects of one.

        Args:
            one: runs one copy.
            values: of all copies, on the first axis.
        """
        ...

    def plan(self, one: Callable[[Any], Any]) -> Any:
        """What all copies give, found from one: ``one(inputs)``."""
        ...


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

    def shape_of(self, variable: Variable) -> tuple[int, ...]:
        """The shape of the value of a variable in this call."""
        return self.peek(variable).shape

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

    @property
    def tree(self) -> Tree:
        """The layers and variables of the root."""
        if self._tree is None:
            self._tree = walk(self.root)
        return self._tree

    def path_of(self, item: Tracked | Variable) -> str:
        """The path of a layer or variable below the root; its class where it has none."""
        return self.tree.path(item)

    def path_code(self, layer: Tracked) -> Any:
        """A number of 32 bits that tells the layer's random keys from those of other layers."""
        path = self.path_of(layer)
        copies = self.tree.copies_of(path)
        if not copies:
            return zlib.crc32(path.encode())
        codes = [zlib.crc32(one.encode()) for one in copy_paths(path, copies)]
        place: Any = 0
        for prefix, count in copies.items():
            place = place * count + self.index_of(prefix)
        return jnp.asarray(codes, jnp.uint32)[place]

    def index_of(self, path: str) -> Any:
        """The index of the copy that runs of the layer at a path; it may be traced."""
        return 0 if self.parent is None else self.parent.index_of(path)

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

    def child(
        self, values: Mapping[int, Any], indices: Mapping[str, Any] | None = None
    ) -> Interpreter:
        """A call within this one, in the trace that is running, on other values.

        Args:
            values: by the identity of the variables; all others are read from this call.
            indices: of the copies that run, by the path of the layer that stands for them; None
                (default) for those of this call.
        """
        raise NotImplementedError

    def run_copies(self, layer: Tracked, runner: Runner, step: Step) -> Any:
        """Run the copies of a layer, each on its own values; see :mod:`lamina.core.running.copies`.

        Args:
            layer: the layer that stands for the copies.
            runner: runs them one after the other, or at once.
            step: runs one: ``step(call, inputs)``.
        """
        raise NotImplementedError

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


def _build_weightless(layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """A layer that the plan did not reach may set itself up, but may not declare weights."""
    inputs = method_of(type(layer), "call").bind(as_specs(args), as_specs(kwargs))
    written = own_build(layer)
    assert written is not None
    arguments, named = build_arguments(written, inputs, shapes_of)
    written(layer, *arguments, **named)
