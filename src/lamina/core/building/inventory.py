"""The layers and weights of a tree, as the data of a plan."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina import initializers
from lamina.core.building.plan import PlannedLayer, PlannedVariable
from lamina.core.specs.signature import method_of
from lamina.core.tree.build_state import own_build
from lamina.core.tree.node import Built, Tracked
from lamina.core.tree.trainable import frozen_variables
from lamina.core.tree.walk import Tree
from lamina.errors import LaminaError
from lamina.names import snake

__all__ = ["planned_layers", "planned_variables"]


def planned_layers(tree: Tree, records: Mapping[int, Built]) -> tuple[PlannedLayer, ...]:
    """Describe the layers of a tree.

    Args:
        tree: the tree.
        records: the first calls of a plan, by the identity of the layer.
    """
    return tuple(
        _layer(path, layer, layer._lamina.built or records.get(key))
        for key, (path, layer) in tree.layers.items()
    )


def _layer(path: str, layer: Tracked, record: Built | None) -> PlannedLayer:
    node, kind = layer._lamina, type(layer)
    needs, optional = _inputs(layer)
    return PlannedLayer(
        path,
        kind.__name__,
        node.name or snake(kind.__name__),
        node.made_at,
        None,
        node.trainable,
        needs,
        optional,
        "" if record is None else record.method,
        {} if record is None else _named(layer, record),
        None if record is None else record.outputs,
        None if node.built is None else node.built.at,
        own_build(layer) is not None,
        layer._lamina_outside,
        1 if node.copies is None else node.copies,
    )


def _inputs(layer: Tracked) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Return the names of the required inputs of a layer, None without `call`, and the others."""
    try:
        parameters = method_of(type(layer), "call").signature.parameters.values()
    except LaminaError:
        return None, ()
    needed = [
        f"*{p.name}" if p.kind is p.VAR_POSITIONAL else p.name
        for p in parameters
        if p.default is p.empty and p.kind is not p.VAR_KEYWORD
    ]
    optional = tuple(p.name for p in parameters if p.default is not p.empty)
    return tuple(layer._lamina_input_names() or needed), optional


def _named(layer: Tracked, record: Built) -> dict[str, Any]:
    inputs, names = record.inputs, layer._lamina_input_names()
    try:
        if names and len(names) == len(inputs.args):
            named = dict(zip(names, inputs.args, strict=True)) | inputs.kwargs
        else:
            named = method_of(type(layer), record.method).bind(inputs.args, inputs.kwargs)
    except LaminaError:
        return {str(place): one for place, one in enumerate(inputs.args)} | inputs.kwargs
    return {name: value for name, value in named.items() if value is not None}


def planned_variables(tree: Tree) -> tuple[PlannedVariable, ...]:
    """Describe the weights of a tree, those that are declared so far."""
    frozen = frozen_variables(tree)
    found: list[PlannedVariable] = []
    for key, (path, variable) in tree.variables.items():
        copies = tree.copies_of(path)
        shape = (*copies.values(), *variable.copy_shape)
        owner = tree.owners.get(key)
        found.append(
            PlannedVariable(
                path,
                shape,
                str(variable.weight_dtype),
                initializers.describe(variable.initializer),
                key not in frozen,
                math.prod(shape) * int(np.dtype(variable.weight_dtype).itemsize),
                variable.declared_at,
                _class_name(owner),
                len(copies),
                "" if owner is None else tree.path(owner),
                variable.is_weight,
            )
        )
    return tuple(found)


def _class_name(layer: Tracked | None) -> str:
    """Return the name of a layer's class; that of the nearest class of Lamina for a subclass."""
    if layer is None:
        return ""
    own = (cls for cls in type(layer).__mro__ if cls.__module__.startswith("lamina.layers."))
    return next(own, type(layer)).__name__
