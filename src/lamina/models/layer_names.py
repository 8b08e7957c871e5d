"""The names of a model's layers, under which they are its attributes, and of its inputs."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Sequence
from typing import Any, cast

from lamina.core.base.pytrees import map_tree
from lamina.core.calling.views import name as name_of
from lamina.core.tree.node import ATTRIBUTE
from lamina.core.tree.walk import children
from lamina.errors import InputError, UnknownNameError, explain, nearest
from lamina.layer import Layer

__all__ = [
    "check_names",
    "free_names",
    "get_layer",
    "names_of_inputs",
    "names_of_layers",
    "names_of_outputs",
]

_FREE = ("input", "inputs", "output", "outputs")
"""Attributes of a model that give way to a layer of the same name."""


def names_of_layers(layers: Iterable[Any], model: Layer) -> dict[str, Layer]:
    """The layers by unique names that can be attributes of the model.

    A layer that is an attribute of the model already keeps that name.
    """
    held = {id(value): name for name, value in vars(model).items() if isinstance(value, Layer)}
    found: dict[str, Layer] = {}
    for layer in layers:
        if any(layer is other for other in found.values()):
            continue
        plain = name_of(layer).replace(".", "_")
        count, name = 0, held.get(id(layer), plain)
        while name in found or (id(layer) not in held and _is_taken(name, model)):
            count += 1
            name = f"{plain}_{count}"
        found[name] = layer
    return found


def free_names(names: Collection[str], kind: type) -> dict[str, str]:
    """Return names that can be attributes of a model, by names that a file gives to layers.

    Args:
        names: the names in the file, each once.
        kind: the class of the model.

    >>> from lamina import Model
    >>> free_names(["dense", "predict", "predict_1"], Model)
    {'dense': 'dense', 'predict': 'predict_2', 'predict_1': 'predict_1'}
    """
    found = {name: name for name in names}
    for name in found:
        count = 0
        while _is_attribute(found[name], kind) or (count and found[name] in names):
            count += 1
            found[name] = f"{name}_{count}"
    return found


def check_names(names: Iterable[Any], model: Layer) -> None:
    """Check that names of layers can be attributes of a model; a file may bring any names.

    Raises:
        InputError: a name is not a free one.
    """
    for name in names:
        if not isinstance(name, str) or name.startswith("__") or _is_taken(name, model):
            raise InputError(
                explain(
                    "A layer of a graph has a name that is already in use.",
                    expected="a name that is not an attribute of Model",
                    received=repr(name),
                    remedy="Rename the layer.",
                )
            )


def names_of_inputs(inputs: Any, names: Sequence[str | None]) -> list[str]:
    """The names of a graph's inputs: the keys of a flat dict, their own, or numbered ones.

    >>> names_of_inputs([], ["image", None]), names_of_inputs(None, [None])
    (['image', 'inputs_1'], ['inputs'])
    """
    if isinstance(inputs, dict) and len(cast("dict[str, Any]", inputs)) == len(names):
        return sorted(cast("dict[str, Any]", inputs))
    plain = [f"inputs_{index}" for index in range(len(names))] if len(names) > 1 else ["inputs"]
    return [name or other for name, other in zip(names, plain, strict=True)]


def names_of_outputs(graph: Any) -> Any:
    """The names of the layers, or inputs, that give a graph's outputs, in their structure."""
    inputs: list[str] = names_of_inputs(graph.inputs, graph.names)
    steps = cast("Sequence[Any]", graph.steps)

    def name(ref: Any) -> str:
        return str(steps[ref.step - 1].layer) if ref.step else inputs[int(ref.output)]

    return map_tree(name, graph.outputs, is_leaf=lambda leaf: hasattr(leaf, "step"))


def _is_taken(name: str, model: Layer) -> bool:
    return name in vars(model) or _is_attribute(name, type(model))


def _is_attribute(name: str, kind: type) -> bool:
    """Whether all models of a class have an attribute of the name."""
    if name in ("graph", ATTRIBUTE):
        return True
    return name not in _FREE and inspect.getattr_static(kind, name, None) is not None


def get_layer(model: Layer, name: str | None = None, index: int | None = None) -> Layer:
    """Return a layer directly below the model, by name or by index.

    Args:
        name: the name of the layer, or the attribute that holds it (``"layers.1"`` for an entry
            of a list). Default None: search by index.
        index: the position in `model.layers`, from 0; negative values count from the end. If
            given, `name` is not used. Default None.

    Returns:
        The layer itself, not a copy.

    Raises:
        UnknownNameError: the model has no such layer.

    >>> from lamina import Sequential, layers
    >>> model = Sequential([layers.Dense(8, name="hidden"), layers.Dense(1)])
    >>> model.get_layer("hidden") is model.get_layer(index=0)
    True
    """
    listed: list[Layer] = cast(Any, model)._listed_layers()
    if index is not None and -len(listed) <= index < len(listed):
        return listed[index]
    named: dict[str, Any] = {name_of(layer): layer for layer in listed}
    named = dict(children(model)) | named
    if index is None and name in named:
        return cast(Layer, named[name])
    raise UnknownNameError(
        explain(
            f"{type(model).__name__} has no such layer.",
            where=f"made at {model._lamina.made_at}",
            expected=", ".join(named) or "none: it has no layers",
            received=repr(name if index is None else index),
            remedy=nearest(str(name), named) if index is None else "Count from 0.",
        )
    )
