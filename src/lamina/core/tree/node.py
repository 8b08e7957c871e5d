"""The node: what Lamina keeps on a layer."""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lamina.core.base.sites import Site
from lamina.core.specs.spec import Arguments, Spec
from lamina.core.tree.planned_calls import PlannedCalls

if TYPE_CHECKING:
    from lamina.core.tree.variable import Variable

__all__ = [
    "ATTRIBUTE",
    "EDITION",
    "Built",
    "Node",
    "Symbolic",
    "Tracked",
    "attributes",
]

ATTRIBUTE = "_lamina"
"""The one attribute that is Lamina's on every layer."""


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
    outputs: Any = None
    entries: dict[str, Arguments] = field(default_factory=dict[str, Arguments])


class Node:
    """The state of one layer as Lamina sees it.

    ``declared`` are the variables that its `build` asked for, in order; ``loose`` those made in
    `__init__`. ``copies`` is the number of equal layers that this one stands for, None for itself
    alone. ``plans`` are the calls that were planned, with the weights that each reads.
    ``training_state`` and ``predictor`` are what `compile` and `predict` keep. ``penalty`` is the
    layer's `activity_regularizer`, ``expects`` the spec of its input, where the layer is to say
    what a `Sequential` begins with. ``applied`` are the inputs and outputs of its calls on symbolic
    values; ``ends`` those of a model as a graph.
    """

    __slots__ = (
        "applied",
        "arguments",
        "built",
        "copies",
        "declared",
        "dtype",
        "ends",
        "expects",
        "keywords",
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
        self.copies: int | None = None
        self.penalty: Callable[[Any], Any] | None = None
        self.built: Built | None = None
        self.declared: list[Variable] = []
        self.loose: list[Variable] = []
        self.origin: tuple[int, int] | None = None
        self.plans = PlannedCalls()
        self.training_state: Any = None
        self.predictor: Any = None
        self.applied: list[tuple[Any, Any]] = []
        self.ends: Any = None

    def build_state(self) -> dict[str, Any]:
        """What a build, or the loading of a file, changes of a node, copied."""
        return {
            "built": self.built,
            "entries": None if self.built is None else dict(self.built.entries),
            "declared": list(self.declared),
            "loose": list(self.loose),
            "origin": self.origin,
            "plans": self.plans.copy(),
            "trainable": self.trainable,
        }

    def put_back(self, state: dict[str, Any]) -> None:
        """Put back what :meth:`build_state` gave."""
        for name, value in state.items():
            if name != "entries":
                setattr(self, name, value)
        if self.built is not None:
            self.built.entries = dict(state["entries"])

    def __getstate__(self) -> dict[str, Any]:
        # Signatures count reads by identity; a compiled step, or a graph, is of this very tree.
        state = {name: getattr(self, name) for name in self.__slots__}
        return state | {
            "declared": list(self.declared),
            "loose": list(self.loose),
            "plans": PlannedCalls(),
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
