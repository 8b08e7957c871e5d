"""The private state of layers, and their attributes."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lamina.core.base.scalars import plain_numbers
from lamina.core.base.sites import Site
from lamina.core.specs.spec import Arguments
from lamina.core.tree.planned_calls import PlannedCalls
from lamina.core.tree.variable import Variable

__all__ = [
    "ATTRIBUTE",
    "Built",
    "Node",
    "Symbolic",
    "Tracked",
    "attributes",
]

ATTRIBUTE = "_lamina"
"""The name of the attribute of a layer that holds Lamina's state."""


@dataclass(slots=True)
class Built:
    """How a layer was built.

    Attributes:
        at: where the build was requested.
        method: the method that was called first.
        inputs: the specs of its inputs.
        outputs: the specs of its outputs.
        entries: for a root, the inputs of each method that it was built for.
    """

    at: Site
    method: str
    inputs: Arguments
    outputs: Any = None
    entries: dict[str, Arguments] = field(default_factory=dict[str, Arguments])


class Node:
    """The private state of one layer; subclasses add that of kinds of layers and of models.

    Attributes:
        arguments: positional arguments of the constructor.
        keywords: keyword arguments of the constructor.
        made_at: where the layer was created.
        made_in: number of the call in which the layer was created; 0 outside of calls.
        edition: the version number of the layer's last change.
        name: the name in reports; None for the default.
        dtype: the dtype or mixed-precision policy; None for float32.
        trainable: the layer's own flag.
        inherits: whether the flag was never assigned, so that the layers above freeze this one.
        penalty: the layer's `activity_regularizer`.
        autocast: whether inputs and weights are cast to the compute dtype.
        context: the names of the arguments that calls pass down to inner layers; None for none.
        copies: number of equal layers that this one stands for; None for a single layer.
        built: how the layer was built; None before.
        declared: the variables that `build` declared, in order.
        loose: the variables declared in `__init__`.
        origin: the seed of the tree's initial values; None before the build.
        placement: the placement that the layer was built with; None for the default device.
        plans: the planned calls of the layer as a root.
        remat: whether a placement has the activations of its calls computed again in the backward
            pass.
        remat_of_scope: the same, if the layer was made in a block of `rematerialized_layers`.
        revision: number of changes of values that compiled programs hold as constants.
    """

    __slots__ = (
        "arguments",
        "autocast",
        "built",
        "context",
        "copies",
        "declared",
        "dtype",
        "edition",
        "inherits",
        "keywords",
        "loose",
        "made_at",
        "made_in",
        "name",
        "origin",
        "penalty",
        "placement",
        "plans",
        "remat",
        "remat_of_scope",
        "revision",
        "trainable",
    )

    def __init__(
        self, arguments: tuple[Any, ...], keywords: dict[str, Any], made_at: Site, made_in: int
    ) -> None:
        self.arguments: tuple[Any, ...] = plain_numbers(arguments)
        self.keywords = {name: plain_numbers(value) for name, value in keywords.items()}
        self.made_at = made_at
        self.made_in = made_in
        self.edition = 0
        self.revision = 0
        self.name: str | None = None
        self.dtype: str | None = None
        self.trainable = True
        self.inherits = True
        self.copies: int | None = None
        self.penalty: Callable[[Any], Any] | None = None
        self.autocast = True
        self.context: tuple[str, ...] | None = None
        self.built: Built | None = None
        self.declared: list[Variable] = []
        self.loose: list[Variable] = []
        self.origin: tuple[int, int] | None = None
        self.placement: Any = None
        self.remat = False
        self.remat_of_scope = False
        self.plans = PlannedCalls()

    @property
    def is_built(self) -> bool:
        """Whether the layer has its weights."""
        return self.built is not None

    def build_state(self) -> tuple[Any, ...]:
        """Return a copy of the state that building a layer, or loading a file, changes."""
        return (
            self.built,
            None if self.built is None else dict(self.built.entries),
            list(self.declared),
            list(self.loose),
            self.origin,
            self.placement,
            self.remat,
            self.plans.copy(),
            self.trainable,
            self.inherits,
            self.dtype,
            self.penalty,
            self.autocast,
            self.context,
        )

    def restore(self, state: tuple[Any, ...]) -> None:
        """Restore a state returned by :meth:`build_state`."""
        (
            self.built,
            entries,
            self.declared,
            self.loose,
            self.origin,
            self.placement,
            self.remat,
            self.plans,
            self.trainable,
            self.inherits,
            self.dtype,
            self.penalty,
            self.autocast,
            self.context,
        ) = state
        if self.built is not None:
            self.built.entries = dict(entries)

    def __getstate__(self) -> dict[str, Any]:
        # Without the planned calls, which refer to variables by identity.
        state = {name: getattr(self, name) for name in Node.__slots__}
        return state | {
            "declared": list(self.declared),
            "loose": list(self.loose),
            "plans": PlannedCalls(),
            "made_in": 0,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


class Tracked:
    """An object with a :class:`Node`: a layer as the core sees it.

    Attributes:
        _lamina_outside: whether layers of the class, or a layer of text in a graph, are called on
            data before programs, which therefore do not reach them.
    """

    _lamina: Node
    _lamina_outside: bool = False

    def _lamina_input_names(self) -> Sequence[str]:
        """The names of the inputs of a graph, in order; empty if `call` names the inputs."""
        return ()

    def __copy__(self) -> Any:
        # The copy holds the same layers and variables, with a node of its own.
        twin = object.__new__(type(self))
        for name, value in (*attributes(self).items(), (ATTRIBUTE, copy.copy(self._lamina))):
            object.__setattr__(twin, name, value)
        return twin


class Symbolic:
    """A symbolic value: a placeholder of an array while a graph of layers is created."""

    def apply(self, layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the symbolic outputs of a layer's call on these arguments."""
        raise NotImplementedError


def _slot_names(kind: type) -> tuple[tuple[str, str], ...]:
    """Return the slots of a class: the mangled name and the name in the source of each."""
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
    """Return the slots of a class, as :func:`_slot_names`, from a cache."""
    names = _slots.get(kind)
    if names is None:
        names = _slots[kind] = _slot_names(kind)
    return names


def attributes(layer: Tracked) -> dict[str, Any]:
    """Return the attributes of a layer from its dict and slots, without Lamina's state."""
    found = layer.__dict__.copy()
    found.pop(ATTRIBUTE, None)
    for attribute, _ in slot_names(type(layer)):
        with contextlib.suppress(AttributeError):
            found[attribute] = object.__getattribute__(layer, attribute)
    return found
