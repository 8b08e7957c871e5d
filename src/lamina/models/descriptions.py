"""What a model says about itself in Keras's terms: shapes, metrics, and its layers with inputs."""

from __future__ import annotations

from typing import Any, cast

import jax

from lamina.core.base.pytrees import leaves_of, map_tree
from lamina.core.tree.walk import children
from lamina.layer import Layer
from lamina.metrics import Mean, Metric
from lamina.models.graph import Graph, graph_of
from lamina.models.layer_names import names_of_inputs
from lamina.models.layer_order import layer_order
from lamina.models.model_state import state_of
from lamina.models.symbol import Symbol

__all__ = ["CompiledMetrics", "InputLayer", "listed_layers", "metrics_of", "shapes"]


class InputLayer(Layer):
    """An input of a graph of layers, as `Model.layers` lists it. It has no weights.

    Args:
        symbol: the symbolic input.
        name: the name of the input.

    Call arguments:
        inputs: an array.

    >>> from lamina import Input, Model, layers
    >>> x = Input((4,), name="image")
    >>> Model(x, layers.Dense(2)(x)).layers[0].name
    'image'
    """

    def __init__(self, symbol: Symbol, name: str) -> None:
        super().__init__(name=name, dtype=None)
        self.symbol = symbol

    @property
    def output(self) -> Symbol:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The symbolic input."""
        return self.symbol

    @property
    def batch_shape(self) -> tuple[int | None, ...]:
        """The shape of the input; None for an unknown size."""
        return shapes(self.symbol)

    def call(self, inputs: jax.Array) -> jax.Array:
        return inputs


class CompiledMetrics(Metric):
    """The metrics of `compile`, as one entry of `Model.metrics`.

    Attributes:
        metrics: the metrics, in the order of the logs.
    """

    def __init__(self, metrics: list[Metric]) -> None:
        super().__init__(name="compile_metrics")
        self.metrics = metrics


def shapes(symbols: Any) -> Any:
    """Return the shape of each symbolic value in a tree; an unknown size is None."""

    def shape(symbol: Any) -> tuple[int | None, ...]:
        return tuple(size if isinstance(size, int) else None for size in symbol.shape)

    return map_tree(shape, symbols, is_leaf=lambda leaf: isinstance(leaf, Symbol))


def listed_layers(model: Layer) -> list[Layer]:
    """Return the layers directly below a model; those of a graph with its inputs, in its order."""
    below = [cast(Layer, layer) for _, layer in children(model)]
    graph = graph_of(model)
    if graph is None:
        return below
    inputs = _input_layers(model, graph)
    order = layer_order(graph)
    found = [inputs[one] if isinstance(one, int) else getattr(model, one) for one in order]
    listed = {id(layer) for layer in found}
    return [*found, *(layer for layer in below if id(layer) not in listed)]


def _input_layers(model: Layer, graph: Graph) -> list[InputLayer]:
    """The input layers of a graph, made once."""
    state = state_of(model)
    symbols = leaves_of(cast(Any, model)._ends()[0])
    names = names_of_inputs(graph.inputs, graph.names)
    known = state.input_layers
    if known is None or [one.symbol for one in known] != symbols:
        pairs = zip(symbols, names, strict=True)
        state.input_layers = [InputLayer(symbol, name) for symbol, name in pairs]
    return state.input_layers or []


def metrics_of(model: Layer) -> list[Metric]:
    """Return the metrics of a compiled model: the loss, those of `compile`, and further losses.

    They hold no state: the values are in the logs of `fit` and `evaluate`.
    """
    trainer = state_of(model).trainer
    if trainer is None:
        return []
    objective = trainer.objective
    compiled = [CompiledMetrics(objective.metrics)] if objective.metrics else []
    return [Mean("loss"), *compiled, *(Mean(name) for name in objective.log_names)]
