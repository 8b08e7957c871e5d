"""The order and the names in which Keras stores the variables of a model.

Keras walks over the attributes of a model in alphabetical order, and over the layers of a
`Sequential` or a graph before them. An object that is found twice is stored where it is found
first. Names in files come from classes and attributes, never from the names of layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from lamina.core.tree.node import Tracked, attributes
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import children, variables_of
from lamina.saving.keras.names import Unique, snake
from lamina.saving.keras.quantized import integer_slots

__all__ = ["Group", "class_name", "groups_of", "layers_of", "listed_base", "own_variables"]

_IN_CELLS = frozenset({"ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "GRU", "LSTM", "SimpleRNN"})
"""Layers whose variables Keras stores in an inner cell."""

_ATTRIBUTES: dict[str, dict[str, tuple[str, ...]]] = {
    "GroupedQueryAttention": {
        name: (f"_{stored}_dense", f"{stored}_dense")
        for name, stored in (
            ("query", "query"),
            ("key", "key"),
            ("value", "value"),
            ("gate", "gate"),
            ("attention_output", "output"),
        )
    },
    "MultiHeadAttention": {
        name: (f"{stored}_dense", f"_{stored}_dense")
        for name, stored in (
            ("query", "query"),
            ("key", "key"),
            ("value", "value"),
            ("attention_output", "output"),
        )
    }
    | {"gate": ("_gate_dense",)},
    "Pipeline": {"steps": ("layers", "_pipeline_layers")},
}
"""The names of attributes in Keras that have other names here; the first is the newest."""

_NEVER = frozenset({"LowRank"})
"""Layers that files never have: Keras stores kernels with their low-rank changes added."""

_MODELS = frozenset({"Functional", "Model", "Sequential"})

_OF_EVERY_LAYER = frozenset(
    [
        "activity_regularizer",
        "autocast",
        "built",
        "call_signature_parameters",
        "compute_dtype",
        "dtype",
        "dtype_policy",
        "input",
        "input_dtype",
        "input_spec",
        "losses",
        "metrics",
        "metrics_variables",
        "name",
        "non_trainable_variables",
        "non_trainable_weights",
        "output",
        "path",
        "quantization_mode",
        "supports_jit",
        "supports_masking",
        "trainable",
        "trainable_variables",
        "trainable_weights",
        "variable_dtype",
        "variables",
        "weights",
        "_layers",
        "_losses",
        "_metrics",
        "_tracker",
        "_trainable_variables",
        "_non_trainable_variables",
        "_seed_generators",
        "_inbound_nodes",
        "_outbound_nodes",
    ]
)
"""Attributes that Keras's base class has itself, where no layer of a model is looked for."""


@dataclass
class Group:
    """The variables that a file has in one group ``<path>/vars``.

    Attributes:
        path: the path of the layer in the file; empty for the root.
        layer: the layer.
        slots: the variables in their order; an array for a value that has no variable here.
    """

    path: str
    layer: Tracked
    slots: list[Variable | np.ndarray] = field(default_factory=list[Any])

    @property
    def prefix(self) -> str:
        """The path of the group of the variables."""
        return f"{self.path}/vars" if self.path else "vars"


def class_name(layer: Tracked) -> str:
    """Return the name of a layer's class."""
    return type(layer).__name__


def listed_base(layer: Tracked) -> str:
    """Return the name of the nearest class of Lamina that a layer is an instance of."""
    kinds = (k for k in type(layer).__mro__ if k.__module__.startswith("lamina."))
    return next(kinds).__name__


def own_variables(layer: Tracked) -> list[Variable | np.ndarray]:
    """Return the variables that Keras stores for a layer itself, in their order.

    Variables that were trainable when they were made come first.

    Args:
        layer: the layer.
    """
    base = listed_base(layer)
    own: list[Any] = [one for one in variables_of(layer) if one.is_weight]
    slots = integer_slots(layer, own)
    if slots is not None:
        return slots
    if base == "SpectralNormalization":
        inner = cast(Any, layer).layer
        kernels = [v for v in variables_of(inner) if v.ndim >= 2]  # none before the build
        return [*kernels[:1], *(v for v in own if v is getattr(layer, "vector_u", None))]
    if base == "Normalization" and own:
        return [*own, np.zeros((), "int32")]  # how many examples were counted
    if getattr(layer, "lora", None) is None:  # which alone trains then, in place of the kernel
        own.sort(key=lambda variable: not variable.is_parameter)
    return own


def groups_of(root: Tracked, has: Callable[[str], bool] | None = None) -> list[Group]:
    """Return the groups of variables of a model, in Keras's order.

    Args:
        root: the model.
        has: whether a file has a group at a path, to tell the names of older versions of Keras;
            None (default) for the names of the newest version.

    Returns:
        The groups; each variable is in one of them, except for the kernel of a spectral
        normalization, which is in two.
    """
    return [group for group in _walk(root, "", has, set()) if group.slots]


def layers_of(root: Tracked) -> list[tuple[str, Tracked]]:
    """Return the layers of a model with their paths in files of Keras, in Keras's order."""
    return [(group.path, group.layer) for group in _walk(root, "", None, set())]


def _walk(
    layer: Tracked, path: str, has: Callable[[str], bool] | None, seen: set[int]
) -> Iterator[Group]:
    seen.add(id(layer))
    base = listed_base(layer)
    own = own_variables(layer)
    if base in _IN_CELLS:
        yield Group(_join(path, "cell"), layer, own)
        return
    yield Group(path, layer, own)
    plain = base in _MODELS and type(layer).__name__ == base
    if base in _MODELS and (base == "Sequential" or _has_graph(layer)):
        stored = _named(path, ("layers", "_layer_checkpoint_dependencies"), has)
        yield from _in_container(_listed(layer), stored, has, seen)
        if plain:
            return
    known = _ATTRIBUTES.get(base, {})
    found = {
        stored: value
        for name, value in attributes(layer).items()
        if (stored := _stored_name(name, known, path, has)) not in _OF_EVERY_LAYER
    }
    if base in _MODELS:
        found["layers"] = _listed(layer)
    for name in sorted(found, key=lambda name: f"~{name}" if name.startswith("_") else name):
        value = found[name]
        if isinstance(value, Tracked):
            if id(value) not in seen and listed_base(value) not in _NEVER:
                yield from _walk(value, _join(path, name), has, seen)
        elif isinstance(value, list | tuple | dict):
            yield from _in_container(value, _join(path, name), has, seen)


def _in_container(
    container: Any, path: str, has: Callable[[str], bool] | None, seen: set[int]
) -> Iterator[Group]:
    unique = Unique()
    items: Any = (
        cast("dict[Any, Any]", container).values() if isinstance(container, dict) else container
    )
    for item in list[Any](items):
        if isinstance(item, Tracked):
            inner = _join(path, unique(snake(class_name(item))))
            if id(item) not in seen:
                yield from _walk(item, inner, has, seen)
        elif isinstance(item, list | tuple | dict):
            inner = _join(path, unique("container"))
            if has is None or has(inner):  # older versions do not look into inner containers
                yield from _in_container(item, inner, has, seen)


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _named(path: str, names: tuple[str, ...], has: Callable[[str], bool] | None) -> str:
    """The path of an attribute by the name that a file has."""
    paths = [_join(path, name) for name in names]
    return paths[0] if has is None else next((one for one in paths if has(one)), paths[0])


def _stored_name(
    name: str,
    known: dict[str, tuple[str, ...]],
    path: str,
    has: Callable[[str], bool] | None,
) -> str:
    if name not in known:
        return name
    return _named(path, known[name], has).rpartition("/")[2]


def _has_graph(layer: Tracked) -> bool:
    return vars(layer).get("graph") is not None


def _listed(layer: Tracked) -> list[Tracked]:
    """The layers of a model in Keras's order; of a graph its own alone, without operators."""
    listed: Any = getattr(layer, "_listed_layers", None)
    if listed is None:
        return [one for _, one in children(layer)]
    if not _has_graph(layer):
        return listed()
    held = attributes(layer)
    called = {id(held[step.layer]) for step in cast(Any, layer).graph.steps}
    others = {id(one) for one in held.values()} - called
    return [one for one in listed() if id(one) not in others]
