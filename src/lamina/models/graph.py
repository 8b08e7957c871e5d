"""The graph between symbolic inputs and outputs, as data: calls of layers in order."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from lamina.core.base.load_limits import ALLOWANCE
from lamina.core.base.pytrees import flatten, leaves_of, map_tree, unflatten
from lamina.core.specs.spec import Spec
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.models.layer_names import check_names, names_of_layers
from lamina.models.symbol import Symbol, SymbolicCall

__all__ = [
    "Graph",
    "Ref",
    "Step",
    "check_graph",
    "graph_between",
    "graph_of",
    "optional_inputs",
    "substituted",
    "symbols_of",
    "with_order_of",
    "without_list_of_one",
]


class Ref(NamedTuple):
    """A reference to one array of a graph.

    Attributes:
        step: 0 for the inputs of the graph; the calls count from 1.
        output: the index among the arrays of that step.
    """

    step: int
    output: int


class Step(NamedTuple):
    """One call of a layer, with a reference in place of each array.

    Attributes:
        layer: the name of the layer, an attribute of the model.
        args: the positional arguments.
        kwargs: the keyword arguments.
    """

    layer: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Graph(NamedTuple):
    """The computation of a model made of symbolic inputs and outputs.

    Attributes:
        inputs: the specs of the inputs, in the form in which they were given.
        steps: the calls, in order.
        outputs: a reference for each output, in the form in which they were given.
        names: the name of each input, by which it is found in a dict of arrays; None without one.
        optional: for each input, whether None may be passed for it; empty if for none.
    """

    inputs: Any
    steps: tuple[Step, ...]
    outputs: Any
    names: tuple[str | None, ...] = ()
    optional: tuple[bool, ...] = ()


def graph_of(model: Layer) -> Graph | None:
    """The graph that a model is made of, if it is made of one."""
    found = vars(model).get("graph")
    return found if isinstance(found, Graph) else None


def symbols_of(graph: Graph) -> list[Symbol]:
    """Return new symbolic inputs for a graph, in the order of its leaves."""
    specs = flatten(graph.inputs, is_leaf=lambda leaf: isinstance(leaf, Spec))[0]
    names = graph.names or (None,) * len(specs)
    return [
        Symbol(spec, name=name, optional=optional)
        for spec, name, optional in zip(specs, names, optional_inputs(graph), strict=True)
    ]


def optional_inputs(graph: Graph) -> tuple[bool, ...]:
    """Return for each input of a graph whether None may be passed for it."""
    specs = flatten(graph.inputs, is_leaf=lambda leaf: isinstance(leaf, Spec))[0]
    return graph.optional or (False,) * len(specs)


def substituted(tree: Any, values: list[list[Any]]) -> Any:
    """A tree with the value of each reference in its place."""
    return map_tree(
        lambda leaf: values[leaf.step][leaf.output] if isinstance(leaf, Ref) else leaf,
        tree,
        is_leaf=lambda leaf: isinstance(leaf, Ref),
    )


def without_list_of_one(ends: Any) -> Any:
    """The only element of a list or tuple of one; other inputs or outputs as they are.

    >>> without_list_of_one(["x"]), without_list_of_one(["x", "y"]), without_list_of_one({"a": "x"})
    ('x', ['x', 'y'], {'a': 'x'})
    """
    single = type(ends) in (list, tuple) and len(ends) == 1
    return without_list_of_one(ends[0]) if single else ends


def graph_between(inputs: Any, outputs: Any, model: Layer) -> tuple[Graph, dict[str, Layer]]:
    """The graph from symbolic inputs to symbolic outputs, and its layers by name.

    Args:
        inputs: a tree of symbolic values.
        outputs: a tree of symbolic values that depend on the inputs alone.
        model: the model that is to hold the layers. They get names that it does not use.

    Raises:
        InputError: a leaf is not symbolic, or an output depends on another input.
    """
    starts, structure = flatten(inputs)
    ends = leaves_of(outputs)
    for leaf in (*starts, *ends):
        if not isinstance(leaf, Symbol):
            raise InputError(
                explain(
                    "The inputs and outputs of a graph of layers are symbolic values.",
                    expected="lamina.Input(...), and the outputs of layers called on it",
                    received=repr(leaf),
                    remedy="Write x = lamina.Input(shape), and call the layers on x.",
                )
            )
    places = {id(symbol): Ref(0, index) for index, symbol in enumerate(starts)}
    calls = _calls_between(places, ends)
    numbers = {id(call): number for number, call in enumerate(calls, 1)}
    layers = names_of_layers([call.layer for call in calls], model)
    layer_names = {id(layer): name for name, layer in layers.items()}

    def refer(leaf: Any) -> Any:
        if not isinstance(leaf, Symbol):
            return leaf
        if leaf.call is None or id(leaf) in places:
            return places[id(leaf)]
        return Ref(numbers[id(leaf.call)], leaf.index)

    steps = tuple(
        Step(layer_names[id(call.layer)], *map_tree(refer, (call.args, call.kwargs)))
        for call in calls
    )
    specs = with_order_of(inputs, unflatten(structure, [symbol.spec for symbol in starts]))
    names, optional = tuple(s.name for s in starts), tuple(s.optional for s in starts)
    found = Graph(specs, steps, map_tree(refer, outputs), names, optional if any(optional) else ())
    return found, layers


def with_order_of(tree: Any, sorted_tree: Any) -> Any:
    """Return a nested value whose dicts have the order of keys of those of another."""
    if isinstance(tree, dict):
        keys, values = cast("dict[Any, Any]", tree), cast("dict[Any, Any]", sorted_tree)
        return {key: with_order_of(keys[key], values[key]) for key in keys}
    if type(tree) in (list, tuple):
        return type(tree)(map(with_order_of, tree, sorted_tree))
    return sorted_tree


def _calls_between(places: dict[int, Ref], ends: list[Symbol]) -> list[SymbolicCall]:
    """The calls that the outputs depend on, in the order in which they were made."""
    found: dict[int, SymbolicCall] = {}
    pending = list(ends)
    while pending:
        symbol = pending.pop()
        if id(symbol) in places:
            continue
        call = symbol.call
        if call is None:
            raise InputError(
                explain(
                    "An output depends on an Input that is not among the model's inputs.",
                    expected="all inputs that the outputs depend on",
                    received=f"no input {symbol!r}" + (f", {symbol.name!r}" * bool(symbol.name)),
                    remedy="Add it: Model([a, b], outputs).",
                )
            )
        if id(call) not in found:
            found[id(call)] = call
            leaves = leaves_of((call.args, call.kwargs))
            pending += [leaf for leaf in leaves if isinstance(leaf, Symbol)]
    return sorted(found.values(), key=lambda call: call.number)


def check_graph(graph: Graph, layers: Any, model: Layer) -> None:
    """Check a graph that comes from a file or a config: it calls its own layers only.

    Raises:
        InputError: it does not, or the name of a layer is that of an attribute of the model.
    """
    if isinstance(layers, dict):
        by_name = cast("dict[Any, Any]", layers)
        own = all(type(step) is Step and step.layer in by_name for step in graph.steps)
        if own and all(isinstance(layer, Layer) for layer in by_name.values()):
            check_names(by_name, model)
            allowance = ALLOWANCE.get()
            if allowance is not None:
                allowance.repeat(max(0, len(graph.steps) - len(by_name)))
            return
    raise InputError(
        explain(
            "The graph of a model does not match its layers.",
            expected="a Graph, and a dict of the layers that its steps name",
            received="a Graph that calls other layers, or layers that are not in a dict",
            remedy="Write Model(inputs, outputs), with symbolic inputs and outputs.",
        )
    )
