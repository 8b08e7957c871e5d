"""What a model says about itself in Keras's terms: its layers with inputs."""

from __future__ import annotations

from typing import Any, cast

from lamina.core.base.load_limits import ALLOWANCE
from lamina.core.base.pytrees import leaves_of
from lamina.core.tree.walk import children
from lamina.errors import explain
from lamina.layer import Layer
from lamina.models.array_functions import ArrayFunction
from lamina.models.graph import Graph, graph_of, symbols_of
from lamina.models.input_layer import InputLayer
from lamina.models.layer_names import names_of_inputs
from lamina.models.layer_order import layer_order
from lamina.models.model_state import state_of
from lamina.models.symbol import Operation

__all__ = [
    "flattened",
    "layers_are_listed",
    "listed_layers",
    "no_call",
    "operations",
]


def listed_layers(model: Layer) -> list[Layer]:
    """Return the layers directly below a model; those of a graph with its inputs, in its order.

    The operators of a graph, such as ``x + y``, and Keras's operations are not among them.
    """
    return [one for one in operations(model) if not isinstance(one, Operation | ArrayFunction)]


def operations(model: Layer) -> list[Layer]:
    """Return the layers directly below a model, with the operators and the inputs of a graph."""
    below = [cast(Layer, layer) for _, layer in children(model)]
    graph = graph_of(model)
    if graph is None:
        return below
    inputs = _input_layers(model, graph)
    order = layer_order(graph)
    found = [inputs[one] if isinstance(one, int) else getattr(model, one) for one in order]
    listed = {id(layer) for layer in found}
    return [*found, *(layer for layer in below if id(layer) not in listed)]


def flattened(model: Layer, include_self: bool = True, recursive: bool = True) -> list[Layer]:
    """Return the model, and the layers below it with the inputs of inner graphs."""
    found: list[Layer] = [model] if include_self else []
    pending = list(cast(Any, model)._listed_layers())
    while pending:
        layer = pending.pop(0)
        found.append(layer)
        if recursive:
            listed: Any = getattr(layer, "_listed_layers", None)
            below = [one for _, one in children(layer)] if listed is None else listed()
            pending = [*cast("list[Layer]", below), *pending]
    return found


def layers_are_listed(model: Layer, remedy: str) -> str:
    """Return the message of an assignment to `layers` of a model that lists its layers there."""
    name = "Sequential" if remedy.startswith("Use `add()`") else "Model"
    return explain(
        f"The `{name}.layers` attribute is reserved for the list of layers.",
        where=f"{type(model).__name__} made at {model._lamina.made_at}",
        expected="another attribute",
        received="layers = ...",
        remedy=remedy,
    )


def no_call(model: Layer) -> str:
    """Return the message of a call of a model without a graph whose class defines no `call`."""
    name = type(model).__name__
    return explain(
        f"{name} has no method 'call'.",
        where=f"made at {model._lamina.made_at}",
        expected="a method that computes the outputs, or Model(inputs, outputs)",
        received="neither",
        remedy=f"Define call(self, inputs) on {name}.",
    )


def _input_layers(model: Layer, graph: Graph) -> list[InputLayer]:
    """The input layers of a graph, made once."""
    state = state_of(model)
    names = names_of_inputs(graph.inputs, graph.names)
    if ALLOWANCE.get() is not None:  # widths may depend on vocabularies that are not yet loaded
        pairs = zip(symbols_of(graph), names, strict=True)
        return [InputLayer(input_tensor=one, name=name) for one, name in pairs]
    symbols = leaves_of(cast(Any, model)._ends()[0])
    known = state.input_layers
    if known is None or [one.symbol for one in known] != symbols:
        pairs = zip(symbols, names, strict=True)
        state.input_layers = [InputLayer(input_tensor=one, name=name) for one, name in pairs]
    return state.input_layers or []
