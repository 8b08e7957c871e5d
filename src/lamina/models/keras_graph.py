"""The config of a graph as Keras's functional models have it."""

from __future__ import annotations

from typing import Any, cast

import jax.numpy as jnp

from lamina.core.specs.spec import Spec
from lamina.layer import Layer
from lamina.models.array_functions import ArrayFunction, keras_arguments, keras_node
from lamina.models.graph import graph_of
from lamina.models.graph_call import specs_of_steps
from lamina.models.symbol import Operation

__all__ = ["complete_graph"]

_TENSOR = "__keras_tensor__"


def complete_graph(model: Layer, config: dict[str, Any]) -> None:
    """Complete the config of a graph, so that Keras can read it.

    Layers get distinct names, operators become op nodes, and each symbolic array gets its shape and
    its dtype.

    Args:
        model: the model that is a graph.
        config: its config, as `get_config` returns it; it is changed.
    """
    graph = graph_of(model)
    assert graph is not None
    specs = specs_of_steps(model)
    inputs = [one["name"] for one in config["layers"] if one["class_name"] == "InputLayer"]
    known = {(name, 0, 0): spec for name, spec in zip(inputs, specs[0], strict=True)}
    calls: dict[str, int] = {}
    for step, outputs in zip(graph.steps, specs[1:], strict=True):
        call = calls.setdefault(step.layer, 0)
        calls[step.layer] += 1
        known |= {(step.layer, call, index): spec for index, spec in enumerate(outputs)}
    for entry in config["layers"]:
        entry["config"]["name"] = entry["name"]
        layer = getattr(model, entry["name"], None)
        if isinstance(layer, ArrayFunction | Operation):
            integers = _are_integers(entry["inbound_nodes"], known)
            module, kind, options = keras_node(layer, integers)
            options = {"name": entry["name"], **options}
            entry.update(module=module, class_name=kind, config=options, registered_name=kind)
            steps = [step for step in graph.steps if step.layer == entry["name"]]
            for node, step in zip(entry["inbound_nodes"], steps, strict=True):
                given = [*node["args"]]
                if isinstance(layer, ArrayFunction) and layer.function == "GetItem":
                    given[1:] = step.args[1:]  # plain data, not yet in the form of JSON
                args, kwargs = keras_arguments(layer, tuple(given), node["kwargs"])
                node.update(args=list(args), kwargs=kwargs)
        _complete_tensors(entry["inbound_nodes"], known)


def _are_integers(nodes: Any, known: dict[tuple[str, int, int], Spec]) -> bool:
    """Whether the first symbolic array among arguments is one of integers."""
    first = next(_tensors(nodes), None)
    spec = None if first is None else known[tuple(first["keras_history"])]
    return spec is not None and not spec.is_text and jnp.issubdtype(spec.dtype, jnp.integer)


def _complete_tensors(nodes: Any, known: dict[tuple[str, int, int], Spec]) -> None:
    for tensor in _tensors(nodes):
        spec = known[tuple(tensor["keras_history"])]
        tensor["shape"] = [size if isinstance(size, int) else None for size in spec.shape]
        tensor["dtype"] = str(spec.dtype)


def _tensors(value: Any) -> Any:
    """The symbolic arrays in JSON."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        if fields.get("class_name") == _TENSOR:
            yield fields["config"]
        else:
            yield from _tensors(list(fields.values()))
    elif isinstance(value, list | tuple):
        for item in cast("list[Any]", value):
            yield from _tensors(item)
