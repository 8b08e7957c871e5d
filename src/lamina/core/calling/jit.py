"""`lamina.jit`: a layer compiled once for each spec of its inputs."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from lamina.core.base.inputs import as_arguments
from lamina.core.base.pytrees import ARRAY_CLASSES, are_arrays, flatten, unflatten
from lamina.core.base.sites import site
from lamina.core.calling.call import invoke
from lamina.core.calling.root import Root
from lamina.core.running.added_losses import COLLECTED, collect
from lamina.core.running.keys import as_key
from lamina.core.running.scope import as_mode
from lamina.core.tree.memento import containers
from lamina.core.tree.node import EDITION, Tracked
from lamina.core.tree.values import stored_together, value_of
from lamina.core.tree.variable import SCOPE, Variable, store
from lamina.core.tree.walk import ChangeDetector, walk
from lamina.errors import InputError, explain

__all__ = ["compiled", "jit"]


@dataclass(frozen=True, eq=False)
class _Same:
    """Compares by identity, and keeps what it holds alive so that identities last."""

    held: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.held is self.held

    def __hash__(self) -> int:
        return id(self.held)


class _More(NamedTuple):
    """What a program returns where the call assigned variables or added losses."""

    outputs: Any
    written: dict[int, jax.Array]
    losses: list[jax.Array]


class _Form(NamedTuple):
    """Arguments of any kind: their structure, which leaves are arrays, and what the others are."""

    structure: Any
    places: tuple[int, ...]
    static: tuple[Any, ...]


def _settled(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by name; a seed becomes a key, so that it is not compiled in."""
    settled = dict(kwargs)
    if settled.get("rng") is not None:
        settled["rng"] = as_key(settled["rng"])
    if settled.get("training") is not None:
        settled["training"] = as_mode(settled["training"], False)
    return settled


def _as_held(held: list[tuple[Any, tuple[Any, ...]]]) -> bool:
    """Whether lists and dicts hold the very things that they did."""
    for inside, items in held:
        if len(inside) != len(items) or not all(map(operator.is_, inside, items)):
            return False
    return True


_scope, _collected = SCOPE.get, COLLECTED.get  # looked up once, as calls in the thousands count


def _with_modes(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
    """Arrays and, by name, modes that are compiled in; where there is more, all is taken apart."""
    if all(value.__class__ is bool for value in kwargs.values()):
        return tuple(kwargs.items()), args
    return _taken_apart(args, kwargs)


def _taken_apart(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[_Form, tuple[Any, ...]]:
    """Arguments by name, nested, or static: arrays are traced, the rest is compiled in."""
    leaves, structure = flatten(as_arguments(args, _settled(kwargs), "The compiled call"))
    places = tuple(index for index, leaf in enumerate(leaves) if isinstance(leaf, jax.Array))
    static = tuple(None if index in places else leaf for index, leaf in enumerate(leaves))
    return _Form(structure, places, static), tuple(leaves[index] for index in places)


def _within(layer: Tracked, method: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A compiled layer inside another call is simply called."""
    if method == "call":
        return invoke(layer, args, kwargs)
    if callable(method):
        return method(*args, **kwargs)
    return getattr(layer, method)(*args, **kwargs)


class _Absent:
    """Stands where no argument is given."""


class _Compiled:
    """The programs of a layer's method, and the variables that they are given."""

    def __init__(self, layer: Tracked, method: str | Callable[..., Any]) -> None:
        self._layer = layer
        self._method = method
        self._watched: ChangeDetector | None = None
        self._variables: tuple[Variable, ...] = ()
        self._programs: dict[Any, Any] = {}
        self._seen: list[Any] = []
        self._held: list[tuple[Any, tuple[Any, ...]]] = []
        # What a call of one array on the tree as it is needs: its edition, the program, the
        # variables, and what lists and dicts hold. A plain tuple, which Python takes apart soonest.
        self.usual: list[tuple[int, Any, tuple[Variable, ...], Any]] = [(-1, None, (), [])]

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call with arguments of any kind, wherever it is."""
        if _scope() is not None:
            return _within(self._layer, self._method, args, kwargs)
        program, arrays = self._chosen(args, kwargs)
        if not self._variables:
            return self.hand_over(program(*arrays))
        return self.hand_over(program(stored_together(self._variables), *arrays))

    def _chosen(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        """The program for a call of any kind, and the arrays that it is given."""
        watched = self._watched
        if watched is None or not watched.is_unchanged() or not _as_held(self._held):
            self._refresh(args, kwargs)
        elif self.usual[0][0] != watched.edition:  # another tree has changed
            self.usual[0] = (watched.edition, *self.usual[0][1:])
        form: Any = ()
        arrays = args
        for value in args:
            if value.__class__ not in ARRAY_CLASSES and not are_arrays(value):
                form, arrays = _taken_apart(args, kwargs)
                break
        else:
            if kwargs:
                form, arrays = _with_modes(args, kwargs)
        return self._program(form), arrays

    def hand_over(self, outputs: Any) -> Any:
        """What the call assigned and added goes where it belongs; the outputs are left."""
        outputs, written, losses = outputs if isinstance(outputs, _More) else (outputs, {}, [])
        if written:
            store([self._variables[index] for index in written], list(written.values()))
        collect(self._layer, losses)
        return outputs

    def _refresh(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Something was built, replaced or frozen somewhere: see whether it was here."""
        root = Root(self._layer, self._method, args, kwargs)
        root.ensure()
        watched = ChangeDetector(self._layer)
        if self._form() != self._seen:
            root.ensure_all()
            watched = ChangeDetector(self._layer)
            self._variables = tuple(v for _, v in walk(self._layer).variables.values())
            self._programs.clear()
            self._seen = self._form()
        self._held = containers(self._layer)
        self._watched = watched
        self.usual[0] = (watched.edition, self._program(()), self._variables, self._held)

    def _form(self) -> list[Any]:
        """The tree's layers and variables themselves, where they stand, and what is frozen."""
        tree = walk(self._layer)
        parts: list[Any] = [
            (path, _Same(layer), layer._lamina.trainable) for path, layer in tree.layers.values()
        ]
        return parts + [(path, _Same(v), v.trainable) for path, v in tree.variables.values()]

    def _program(self, form: _Form | tuple[tuple[str, bool], ...]) -> Any:
        """The program for arguments of a form, or for arrays and some modes by name."""
        program = self._programs.get(form)
        if program is None:
            program = self._programs[form] = jax.jit(self._traced(form))
        return program

    def _traced(self, form: _Form | tuple[tuple[str, bool], ...]) -> Any:
        layer, method, variables = self._layer, self._method, self._variables
        positions = {id(variable): index for index, variable in enumerate(variables)}

        def program(values: Sequence[Any], *arrays: Any) -> Any:
            if isinstance(form, _Form):
                leaves = list(form.static)
                for index, array in zip(form.places, arrays, strict=True):
                    leaves[index] = array
                args, kwargs = unflatten(form.structure, leaves)
            else:
                args, kwargs = arrays, dict(form)
            root = Root(layer, method, args, kwargs)
            root.ensure()
            given = {id(v): value for v, value in zip(variables, values, strict=True)}
            outputs, call = root.run(given)
            written = {positions[key]: value for key, value in call.written.items()}
            return _More(outputs, written, call.losses) if written or call.losses else outputs

        program.__name__ = type(layer).__name__
        return program if variables else functools.partial(program, ())


def compiled(layer: Tracked, method: str | Callable[..., Any] | None = None) -> Callable[..., Any]:
    """A layer's method compiled: once for each spec of its inputs, on its current weights.

    Weights are arguments of the program, so `set_values` and training show at the next call. A
    call gathers them from a flat tuple and walks no tree. It is a plain function of one argument
    and rarely more: Python calls that soonest, and of a small layer's time it is a tenth.
    """
    programs = _Compiled(layer, method or "call")
    usual = programs.usual

    def call(given: Any = _Absent, /, *others: Any, **named: Any) -> Any:
        edition, program, variables, held = usual[0]
        if (
            edition == EDITION.current
            and (given.__class__ in ARRAY_CLASSES or are_arrays(given))
            and not others
            and not named
            and _scope() is None
            and (not held or _as_held(held))
        ):
            if not variables:
                outputs = program(given)
                return programs.hand_over(outputs) if outputs.__class__ is _More else outputs
            values = list(map(value_of, variables))  # at one moment, as `stored_together` has it
            try:
                outputs = program(values, given)
            except TypeError:
                if not any(hasattr(value, "recall") for value in values):
                    raise
                outputs = program(stored_together(variables), given)
            if outputs.__class__ is not _More and _collected() is None:
                return outputs
            return programs.hand_over(outputs)
        return programs.call(() if given is _Absent else (given, *others), named)

    call.__name__ = call.__qualname__ = f"lamina.jit({type(layer).__name__}.{method or 'call'})"
    return call


def jit(layer: Tracked, method: str | None = None) -> Callable[..., Any]:
    """A layer's `call`, or another method, compiled: the same outputs, on its current weights.

    >>> import jax.numpy as jnp
    >>> from lamina import layers
    >>> fast = jit(layers.Dense(4))
    >>> fast(jnp.ones((2, 3))).shape
    (2, 4)
    """
    if not isinstance(layer, Tracked):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(
            explain(
                "lamina.jit compiles layers, and this is none.",
                where=f"called at {site()}",
                expected="lamina.jit(layer), or lamina.jit(layer, method='encode')",
                received=repr(layer),
                remedy="Give the layer itself; plain functions are jax.jit's.",
            )
        )
    return compiled(layer, method)
