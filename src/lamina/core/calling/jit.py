"""`lamina.jit`: compiled calls of layers."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from lamina.core.base.pytrees import ARRAY_CLASSES, are_arrays, unflatten
from lamina.core.base.sites import site
from lamina.core.calling.call import invoke
from lamina.core.calling.jit_arguments import StaticArguments, split, with_modes
from lamina.core.calling.root_call import Root
from lamina.core.running.added_losses import COLLECTED, collect
from lamina.core.tree.changes import ChangeDetector
from lamina.core.tree.edition import EDITION
from lamina.core.tree.memento import containers
from lamina.core.tree.node import Node, Tracked
from lamina.core.tree.values import SURROUNDING, stored_together, value_of
from lamina.core.tree.variable import SCOPE, Variable, assign_all
from lamina.core.tree.walk import walk
from lamina.errors import InputError, explain

__all__ = ["compiled", "jit"]


@dataclass(frozen=True, eq=False)
class _Identity:
    """A reference that compares by identity; it keeps its object alive, so that ids stay valid."""

    held: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.held is self.held

    def __hash__(self) -> int:
        return id(self.held)


class _OutputsAndEffects(NamedTuple):
    """The result of a program whose call assigned variables or added losses.

    Attributes:
        outputs: the outputs of the call.
        written: the assigned values, by the position of the variable.
        losses: the added losses.
    """

    outputs: Any
    written: dict[int, jax.Array]
    losses: list[jax.Array]


def _are_unchanged(held: list[tuple[Any, tuple[Any, ...]]]) -> bool:
    """Return whether lists and dicts hold the same objects as before."""
    for inside, items in held:
        if len(inside) != len(items) or not all(map(operator.is_, inside, items)):
            return False
    return True


# Looked up once, for fast calls.
_scope, _surrounding, _collected = SCOPE.get, SURROUNDING.get, COLLECTED.get


def _within(layer: Tracked, method: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a compiled layer inside another call, without compilation."""
    if method == "call":
        return invoke(layer, args, kwargs)
    if callable(method):
        return method(*args, **kwargs)
    return getattr(layer, method)(*args, **kwargs)


def _settings(node: Node) -> tuple[Any, ...]:
    """Return the settings of a layer that its programs depend on."""
    flags = node.trainable, node.inherits, node.autocast, node.revision, node.remat
    return (*flags, node.placement, node.dtype, node.context, _Identity(node.penalty))


class _Absent:
    """The default of an argument that was not passed."""


class _Compiled:
    """The compiled programs of a layer's method, and the variables that are their arguments.

    Args:
        layer: the layer.
        method: the name of the method, or a function that calls the layer.
    """

    def __init__(self, layer: Tracked, method: str | Callable[..., Any]) -> None:
        self._layer = layer
        self._method = method
        self._watched: ChangeDetector | None = None
        self._variables: tuple[Variable, ...] = ()
        self._programs: dict[Any, Any] = {}
        self._seen: list[Any] = []
        self._held: list[tuple[Any, tuple[Any, ...]]] = []
        # For a call with one array on an unchanged tree: the version of the tree, the program, the
        # variables, and the contents of lists and dicts. Python unpacks a plain tuple fastest.
        self.fast_path: list[tuple[int, Any, tuple[Variable, ...], Any]] = [(-1, None, (), [])]

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call with arguments of any kind, also within another call."""
        if _scope() is not None:
            return _within(self._layer, self._method, args, kwargs)
        program, arrays = self._select(args, kwargs)
        if not self._variables:
            return self.apply_effects(program(*arrays))
        return self.apply_effects(program(stored_together(self._variables), *arrays))

    def _select(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        """Return the program for a call, and the arrays to pass to it."""
        watched = self._watched
        if watched is None or not watched.is_unchanged() or not _are_unchanged(self._held):
            self._refresh(args, kwargs)
        elif self.fast_path[0][0] != watched.edition:  # another tree has changed
            self.fast_path[0] = (watched.edition, *self.fast_path[0][1:])
        static: Any = ()
        arrays = args
        for value in args:
            if value.__class__ not in ARRAY_CLASSES and not are_arrays(value):
                static, arrays = split(args, kwargs)
                break
        else:
            if kwargs:
                static, arrays = with_modes(args, kwargs)
        return self._program(static), arrays

    def apply_effects(self, result: Any) -> Any:
        """Store assigned values, collect added losses, and return the outputs of a program."""
        outputs, written, losses = (
            result if isinstance(result, _OutputsAndEffects) else (result, {}, [])
        )
        if written:
            assign_all([self._variables[index] for index in written], list(written.values()))
        collect(self._layer, losses)
        return outputs

    def _refresh(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Check whether this tree has changed after a change of any tree, and update the state."""
        root = Root(self._layer, self._method, args, kwargs)
        root.ensure()
        watched = ChangeDetector(self._layer)
        if self._contents() != self._seen:
            root.ensure_all()
            watched = ChangeDetector(self._layer)
            self._variables = tuple(v for _, v in walk(self._layer).variables.values())
            self._programs.clear()
            self._seen = self._contents()
        self._held = containers(self._layer)
        self._watched = watched
        self.fast_path[0] = (watched.edition, self._program(()), self._variables, self._held)

    def _contents(self) -> list[Any]:
        """Return the path, the object and the settings of all layers and variables."""
        tree = walk(self._layer)
        parts: list[Any] = [
            (path, _Identity(layer), _settings(layer._lamina))
            for path, layer in tree.layers.values()
        ]
        return parts + [(path, _Identity(v), v.flags) for path, v in tree.variables.values()]

    def _program(self, static: StaticArguments | tuple[tuple[str, bool], ...]) -> Any:
        """Return the compiled program for the static part of arguments."""
        program = self._programs.get(static)
        if program is None:
            program = self._programs[static] = jax.jit(self._traced(static))
        return program

    def _traced(self, static: StaticArguments | tuple[tuple[str, bool], ...]) -> Any:
        """Return the function to compile for the static part of arguments."""
        layer, method, variables = self._layer, self._method, self._variables
        positions = {id(variable): index for index, variable in enumerate(variables)}

        def program(values: Sequence[Any], *arrays: Any) -> Any:
            if isinstance(static, StaticArguments):
                leaves = list(static.static)
                for index, array in zip(static.places, arrays, strict=True):
                    leaves[index] = array
                args, kwargs = unflatten(static.structure, leaves)
            else:
                args, kwargs = arrays, dict(static)
            root = Root(layer, method, args, kwargs)
            root.ensure()
            by_variable = {id(v): value for v, value in zip(variables, values, strict=True)}
            outputs, call = root.run(by_variable)
            written = {positions[key]: value for key, value in call.written.items()}
            if not written and not call.losses:
                return outputs
            return _OutputsAndEffects(outputs, written, call.losses)

        program.__name__ = type(layer).__name__
        return program if variables else functools.partial(program, ())


def compiled(layer: Tracked, method: str | Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Return a compiled function for a method of a layer.

    Weights are arguments of the program, so that `set_values` and training take effect at the next
    call. A call reads them from a flat tuple without walking the tree. The result is a plain
    function with one positional argument, which Python calls fastest: with another signature, calls
    of a small layer take a tenth longer.

    Args:
        layer: the layer.
        method: the name of the method, or a function that calls the layer; None (default) for
            `call`.
    """
    programs = _Compiled(layer, method or "call")
    fast_path = programs.fast_path

    def call(first: Any = _Absent, /, *others: Any, **named: Any) -> Any:
        edition, program, variables, held = fast_path[0]
        if (
            edition == EDITION.current
            and (first.__class__ in ARRAY_CLASSES or are_arrays(first))
            and not others
            and not named
            and _scope() is None
            and _surrounding() is None
            and (not held or _are_unchanged(held))
        ):
            if not variables:
                result = program(first)
                if result.__class__ is not _OutputsAndEffects:
                    return result
                return programs.apply_effects(result)
            values = list(map(value_of, variables))  # atomic, as in `stored_together`
            try:
                result = program(values, first)
            except TypeError:
                if not any(hasattr(value, "recall") for value in values):
                    raise
                result = program(stored_together(variables), first)
            if result.__class__ is not _OutputsAndEffects and _collected() is None:
                return result
            return programs.apply_effects(result)
        return programs.call(() if first is _Absent else (first, *others), named)

    call.__name__ = call.__qualname__ = f"lamina.jit({type(layer).__name__}.{method or 'call'})"
    return call


def jit(layer: Tracked, method: str | None = None) -> Callable[..., Any]:
    """Compile a layer, as :func:`jax.jit` compiles a function.

    The weights are arguments of the compiled program, so that each call uses their current values,
    and assigned state is stored after the call. There is one program for each combination of
    shapes, dtypes and static arguments (bool, int, float, str and None). A layer that is not built
    is built by the first call.

    Args:
        layer: the layer.
        method: str, name of the method to compile; None (default) for ``call``.

    Returns:
        A function with the arguments of the method, and ``training`` and ``rng`` (a key or an int
        seed). It returns the outputs of the method.

    Raises:
        InputError: ``layer`` is not a layer; when the function is called, the layer has no such
            method.

    >>> import jax.numpy as jnp
    >>> from lamina import layers
    >>> compiled_layer = jit(layers.Dense(4))
    >>> compiled_layer(jnp.ones((2, 3))).shape
    (2, 4)
    """
    if not isinstance(layer, Tracked):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(
            explain(
                "The argument of lamina.jit is not a layer.",
                where=f"called at {site()}",
                expected="lamina.jit(layer), or lamina.jit(layer, method='encode')",
                received=repr(layer),
                remedy="Pass the layer itself, or use jax.jit for a function.",
            )
        )
    return compiled(layer, method)
