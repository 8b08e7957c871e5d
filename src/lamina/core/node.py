"""What Lamina keeps on a layer, and where in the user's files things were made."""

from __future__ import annotations

import contextlib
import copy
import itertools
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

import jax

if TYPE_CHECKING:
    from lamina.core.specs import Arguments, Spec
    from lamina.core.variable import Variable

__all__ = [
    "ATTRIBUTE",
    "EDITION",
    "Built",
    "Node",
    "Site",
    "Symbolic",
    "Tracked",
    "attributes",
    "edge",
    "site",
]

ATTRIBUTE = "_lamina"
"""The one attribute that is Lamina's on every layer."""

_PACKAGE = Path(__file__).resolve().parent.parent
_JAX = Path(jax.__file__).resolve().parent
_APPLICATIONS = tuple(str(_PACKAGE / name) for name in ("translate", "cli.py"))
_MACHINERY = (str(_PACKAGE), str(_JAX), "<frozen", "<string>")
_is_machinery: dict[str, bool] = {}


class Site(NamedTuple):
    """A line of somebody's file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


_edges: list[tuple[CodeType, Site]] = []
"""Functions of whose callers the site is known, innermost last; a pass adds its own."""


@contextlib.contextmanager
def edge(function: FunctionType, outside: Site) -> Generator[None]:
    """While a function runs, sites are looked for no farther out than it: there it is `outside`."""
    _edges.append((function.__code__, outside))
    try:
        yield
    finally:
        _edges.pop()


def site(frame: FrameType | None = None) -> Site:
    """The innermost line on the stack that is neither Lamina's nor JAX's."""
    start = frame or sys._getframe(1)
    at: FrameType | None = start
    stop, outside = _edges[-1] if _edges else (None, None)
    while at is not None:
        code = at.f_code
        if code is stop and outside is not None:
            return outside
        file = code.co_filename
        inside = _is_machinery.get(file)
        if inside is None:
            inside = file.startswith(_MACHINERY) and not file.startswith(_APPLICATIONS)
            inside = inside or "contextlib" in file or "functools" in file
            _is_machinery[file] = inside
        if not inside:
            return Site(file, at.f_lineno)
        at = at.f_back
    return Site(start.f_code.co_filename, start.f_lineno)


class _Edition:
    """A count of the changes made from outside to any tree: compiled callables compare it.

    It saves them a walk at every call. Assigning a layer, a variable or a container to an
    attribute counts, and so does freezing; a change inside a list does not.
    """

    __slots__ = ("current", "number")

    def __init__(self) -> None:
        self.current = 0
        self.number = itertools.count(1)

    def advance(self) -> None:
        self.current = next(self.number)


EDITION = _Edition()


@dataclass(slots=True)
class Built:
    """How a layer was built: where, through which method, and from which inputs."""

    at: Site
    method: str
    inputs: Arguments
    outputs: Any
    entries: dict[str, Arguments] = field(default_factory=dict[str, "Arguments"])


class Node:
    """The state of one layer as Lamina sees it.

    ``declared`` are the variables its `build` asked for, in order; ``loose`` those made in
    `__init__`. ``known`` and ``plans`` remember the signatures and the specs that were planned,
    with the reads of weights that each made. ``training_state`` and ``predictor`` are what
    `compile` and `predict` keep. ``penalty`` is the layer's `activity_regularizer`, ``expects`` the
    spec of its input, where the layer is to say what a `Sequential` begins with. ``applied`` are
    the inputs and outputs of its calls on symbolic values; ``ends`` those of a model as a graph.
    """

    __slots__ = (
        "applied",
        "arguments",
        "built",
        "declared",
        "dtype",
        "ends",
        "expects",
        "keywords",
        "known",
        "loose",
        "made_at",
        "made_in",
        "name",
        "origin",
        "penalty",
        "plans",
        "predictor",
        "trainable",
        "training_state",
    )

    def __init__(
        self, arguments: tuple[Any, ...], keywords: dict[str, Any], made_at: Site, made_in: int
    ) -> None:
        self.arguments = arguments
        self.keywords = keywords
        self.made_at = made_at
        self.made_in = made_in
        self.name: str | None = None
        self.dtype: str | None = None
        self.expects: Spec | None = None
        self.trainable = True
        self.penalty: Callable[[Any], Any] | None = None
        self.built: Built | None = None
        self.declared: list[Variable] = []
        self.loose: list[Variable] = []
        self.origin: tuple[int, int] | None = None
        self.known: dict[Any, dict[int, int]] = {}
        self.plans: list[tuple[Any, bool, Arguments, dict[int, int]]] = []
        self.training_state: Any = None
        self.predictor: Any = None
        self.applied: list[tuple[Any, Any]] = []
        self.ends: Any = None

    def __getstate__(self) -> dict[str, Any]:
        # Signatures count reads by identity; a compiled step, or a graph, is of this very tree.
        state = {name: getattr(self, name) for name in self.__slots__}
        return state | {
            "declared": list(self.declared),
            "loose": list(self.loose),
            "known": {},
            "plans": [],
            "training_state": None,
            "predictor": None,
            "applied": [],
            "ends": None,
            "made_in": 0,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


class Tracked:
    """What can stand in a tree: anything that carries a :class:`Node`."""

    _lamina: Node

    def __copy__(self) -> Any:
        # A copy holds the same layers and variables, and goes its own way from here on.
        twin = object.__new__(type(self))
        for name, value in (*attributes(self).items(), (ATTRIBUTE, copy.copy(self._lamina))):
            object.__setattr__(twin, name, value)
        return twin


class Symbolic:
    """What may stand for an array before there is one; it knows what a layer makes of it."""

    def apply(self, layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise NotImplementedError


def _slot_names(kind: type) -> tuple[tuple[str, str], ...]:
    """The slots of a class: the attribute and the name a reader sees."""
    found: list[tuple[str, str]] = []
    for owner in kind.__mro__:
        slots: Any = owner.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            if name in ("__dict__", "__weakref__"):
                continue
            private = name.startswith("__") and not name.endswith("__")
            found.append((f"_{owner.__name__.lstrip('_')}{name}" if private else name, name))
    return tuple(found)


_slots: dict[type, tuple[tuple[str, str], ...]] = {}


def slot_names(kind: type) -> tuple[tuple[str, str], ...]:
    names = _slots.get(kind)
    if names is None:
        names = _slots[kind] = _slot_names(kind)
    return names


def attributes(layer: Tracked) -> dict[str, Any]:
    """The attributes of a layer, from its dict and its slots, Lamina's own left out."""
    found = layer.__dict__.copy()
    found.pop(ATTRIBUTE, None)
    for attribute, _ in slot_names(type(layer)):
        with contextlib.suppress(AttributeError):
            found[attribute] = object.__getattribute__(layer, attribute)
    return found
