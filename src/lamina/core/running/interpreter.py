"""The base class of interpreters of calls, which supply variables and collect effects."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp

from lamina.core.base.jax_internals import trace_state
from lamina.core.running.decoding import Decoding
from lamina.core.running.errors import layer_name, weight_in_call
from lamina.core.running.mask_records import Masks
from lamina.core.running.masks import warn_of_loss
from lamina.core.specs.build_arguments import build_arguments
from lamina.core.specs.signature import method_of
from lamina.core.specs.spec import Arguments, as_specs, shapes_of
from lamina.core.tree.build_state import is_unbuilt, own_build
from lamina.core.tree.node import Tracked
from lamina.core.tree.trainable import frozen_layers
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Tree, copy_paths, walk
from lamina.errors import TraceError, TrackingError, explain

__all__ = ["Effects", "Interpreter", "Runner", "Step"]

_numbers = itertools.count(1)


Step = Callable[["Interpreter", Any], Any]


class Runner(Protocol):
    """Runs the copies of a layer, in sequence or in parallel."""

    def run(self, one: Callable[[Any, Any, Any], Any], values: Any) -> Any:
        """Run all copies, and return their outputs and effects.

        Args:
            one: runs one copy: ``one(values, index, inputs)`` returns outputs and effects.
            values: the values of the variables of all copies, stacked on the first axis.
        """
        ...

    def plan(self, one: Callable[[Any], Any]) -> Any:
        """Return the outputs of all copies from a run of one: ``one(inputs)``."""
        ...


class Effects(NamedTuple):
    """The effects of a call that are arrays, which a JAX transform must return.

    Attributes:
        written: the last value assigned to each variable, by the variable's identity.
        losses: the scalars added to the loss.
    """

    written: dict[int, Any]
    losses: list[Any]


class Interpreter:
    """One call of a root layer, comparable to a trace in JAX.

    Its methods define what happens when a layer reads or assigns a variable, calls another layer,
    declares a weight or draws a random key. There is one subclass for each kind of call, so that no
    other code depends on the kind. The interpreter collects the effects of the call; the effects of
    a :meth:`child` are added by :meth:`absorb`.

    Args:
        root: the layer that was called.
        tree: the layers and variables of the root; None (default) to walk over them when needed.
        parent: the call that contains this one; None (default) for the call of a root.

    Attributes:
        number: the number of the call in this process, from 1.
        state: the JAX trace in which the call began.
        reads: the number of reads of each variable, by the variable's identity.
        written: the value last assigned to each variable, by the variable's identity.
        writers: the assigned variables, by identity.
        losses: the scalars added to the loss.
        masks: the padding masks of arrays; inner calls share those of the outer call.
        decoding: the state of an incremental call; None for other calls.
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
        self.masks = Masks() if parent is None else parent.masks
        self.decoding: Decoding | None = None if parent is None else parent.decoding
        self._tree = tree
        self._frozen: set[int] | None = None

    # Actions of layers in a call.

    def warn_of_lost_mask(self, layer: Tracked) -> None:
        """Warn that a layer does not pass the mask of its inputs on."""
        warn_of_loss(layer, layer_name(self, layer))

    def read(self, variable: Variable) -> Any:
        """Return the value of a variable in this call, and count the read."""
        key = id(variable)
        self.reads[key] = self.reads.get(key, 0) + 1
        return self.peek(variable)

    def peek(self, variable: Variable) -> Any:
        """Return the value of a variable in this call, without counting the read."""
        key = id(variable)
        return self.written[key] if key in self.written else self._unwritten(variable)

    def shape_of(self, variable: Variable) -> tuple[int, ...]:
        """Return the shape of the value of a variable in this call."""
        return self.peek(variable).shape

    def _unwritten(self, variable: Variable) -> Any:
        """Return the value of a variable that this call has not assigned."""
        raise NotImplementedError

    def assign(self, variable: Variable, value: Any) -> None:
        """Assign a value to a variable in this call; it is an effect of the call.

        Raises:
            TraceError: an inner JAX transform is running, whose tracers end with it.
        """
        if trace_state() != self.state:
            raise TraceError(
                explain(
                    f"{self.path_of(variable)} was assigned inside a JAX transform within the call "
                    "(a scan, while or cond body, jax.checkpoint, vmap).",
                    where=f"declared at {variable.declared_at}",
                    expected="assign() outside of inner transforms",
                    received="assign() in an inner trace, whose values do not exist outside of it",
                    remedy="Return the value from the transform and assign it outside; for "
                    "rematerialized layers use lamina.checkpoint(layer), which supports state.",
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
        """Run a method of a layer; an unbuilt layer is built first.

        Args:
            layer: the layer that is called.
            method: the name of the method.
            args: the positional inputs.
            kwargs: the keyword inputs.
            options: ``training``, if the method accepts it.
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
        """Declare a weight, for `add_weight`.

        Args:
            layer: the layer that declares it.
            shape: the shape of the weight.
            make: creates the variable.

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
        """Build a layer whose `build` is called within this call.

        Args:
            layer: the layer.
            written: the `build` method that its class defines.
            args: the positional specs.
            kwargs: the keyword specs.
            transaction: builds the layer as a root.
        """
        transaction(layer, args, kwargs)

    def drawing(self, layer: Tracked) -> None:
        """Called before a layer draws a random key."""

    # Properties of the call.

    @property
    def tree(self) -> Tree:
        """The layers and variables of the root."""
        if self._tree is None:
            self._tree = walk(self.root)
        return self._tree

    def path_of(self, item: Tracked | Variable) -> str:
        """Return the path of a layer or variable below the root; its class if it has none."""
        return self.tree.path(item)

    def path_code(self, layer: Tracked) -> Any:
        """Return a 32-bit hash of a layer's path, to derive its random keys.

        For a layer of several copies it depends on the running copy, and may be traced.
        """
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
        """Return the index of the running copy of the layer at a path; it may be traced."""
        return 0 if self.parent is None else self.parent.index_of(path)

    def is_visible(self, variable: Variable) -> bool:
        """Return whether `layer.variables` lists a variable."""
        return variable.built

    def trains(self, layer: Tracked) -> bool:
        """Return whether a layer is trainable, by its own flag or those that it follows."""
        node = layer._lamina
        if not node.trainable or not node.inherits:
            return node.trainable
        if self._frozen is None:
            self._frozen = frozen_layers(walk(self.root))
        return id(layer) not in self._frozen

    def known_sizes(self, layer: Tracked, sizes: tuple[Any, ...]) -> tuple[int | None, ...]:
        """Return the sizes of axes, with None for those that are unknown in this call."""
        return sizes

    def known_specs(self, layer: Tracked, specs: Arguments) -> Arguments:
        """Return the specs of a layer's inputs, with None for sizes that are unknown."""
        return specs

    def grow(self) -> None:
        """Build the layers that were added to the tree since it was built."""

    # Inner calls.

    def child(
        self, values: Mapping[int, Any], indices: Mapping[str, Any] | None = None
    ) -> Interpreter:
        """Return a call within this one, in the running trace, with other values of variables.

        Args:
            values: the values, by the variable's identity; other variables are read from this call.
            indices: the indices of the running copies, by the path of the layer that stands for
                them; None (default) for those of this call.
        """
        raise NotImplementedError

    def run_copies(self, layer: Tracked, runner: Runner, step: Step) -> Any:
        """Run the copies of a layer, each on its own values.

        Args:
            layer: the layer that stands for the copies.
            runner: runs them in sequence or in parallel.
            step: runs one copy: ``step(call, inputs)``.
        """
        raise NotImplementedError

    def tracing(self, layer: Tracked) -> Interpreter | None:
        """Return the interpreter for `apply` of a layer within this call; None for a new one."""
        return None

    def effects(self) -> Effects:
        """Return the effects of this call that are arrays."""
        return Effects(self.written, self.losses)

    def absorb(self, child: Interpreter, effects: Effects | None = None) -> None:
        """Add the effects of a child: reads, assigned values and losses.

        Args:
            child: the inner call, which has ended.
            effects: its :meth:`effects` as a transform returned them; None (default) if it ran in
                the same trace as this call.
        """
        found = child.effects() if effects is None else effects
        for key, count in child.reads.items():
            self.reads[key] = self.reads.get(key, 0) + count
        for key, value in found.written.items():
            self.assign(child.writers[key], value)
        self.losses += found.losses


def _build_weightless(layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Run the `build` of a layer that the plan did not reach; it must not declare weights."""
    inputs = method_of(type(layer), "call").bind(as_specs(args), as_specs(kwargs))
    written = own_build(layer)
    assert written is not None
    arguments, named = build_arguments(written, inputs, shapes_of)
    written(layer, *arguments, **named)
