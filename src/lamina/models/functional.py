"""A model that is a graph of layers: `Model(inputs, outputs)`."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple, cast

from lamina.core.base.allowance import ALLOWANCE
from lamina.core.base.pytrees import flatten, leaves_of, map_tree, unflatten
from lamina.core.calling.views import name as name_of
from lamina.core.running.masks import mask_after, note_mask, with_masks
from lamina.core.specs.spec import Arguments, Spec, as_specs, covers
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.models.ends import Ended, as_declared
from lamina.models.layer_names import check_names, named, names_of_inputs
from lamina.models.model import Model
from lamina.models.symbol import Applied, Symbol

__all__ = ["Functional", "Graph", "Ref", "Step"]


class Ref(NamedTuple):
    """One array of a graph: the inputs are step 0, then come the calls, from 1."""

    step: int
    output: int


class Step(NamedTuple):
    """A call of the layer of that name, with references where arrays go."""

    layer: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Graph(NamedTuple):
    """What a functional model computes: trees of specs and references, and calls in order.

    ``names`` are those of the inputs, by which a dict of arrays is taken apart; None for no name.
    """

    inputs: Any
    steps: tuple[Step, ...]
    outputs: Any
    names: tuple[str | None, ...] = ()


class Functional(Ended, Model):
    """A graph of layers, put together by calling them on symbolic inputs.

    Each layer is an attribute under its name (``dense``, ``dense_1``, in the order of the calls),
    so that is where its weights are. A layer called twice is one layer. Masks that layers compute
    are passed on to those whose `call` takes one. The model is built when it is made.

    Args:
        inputs: an Input, or a list or dict of them.
        outputs: what layers gave for them: one, or a list or dict; also values from within
            another graph.
        name: what reports call the model.
        trainable: False freezes it and all below it.

    Call takes as many arrays, by position or in a list or dict as `inputs` is.

    Raises:
        InputError: an output does not follow from the inputs, or an array does not fit its Input.

    >>> import jax.numpy as jnp
    >>> from lamina import Input, Model, layers
    >>> x = Input((4,))
    >>> model = Model(x, layers.Dense(2)(x) * 0.5)
    >>> model(jnp.ones((3, 4))).shape, sorted(model.values())
    ((3, 2), ['dense.bias', 'dense.kernel'])
    """

    def __init__(
        self,
        inputs: Any = None,
        outputs: Any = None,
        *,
        name: str | None = None,
        trainable: bool = True,
        graph: Graph | None = None,
        layers: dict[str, Layer] | None = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable)
        made = graph is None or layers is None
        if graph is None or layers is None:
            graph, layers = _traced(inputs, outputs)
            self._lamina.arguments = ()
            given = {"name": name} if trainable else {"name": name, "trainable": False}
            self._lamina.keywords = {"graph": graph, "layers": layers, **given}
        else:
            _check_graph(graph, layers)
        self.graph = graph
        for key, layer in layers.items():
            setattr(self, key, layer)
        if made:
            self._lamina.ends = inputs, outputs
            self.build(*leaves_of(graph.inputs))

    def _ends(self) -> tuple[Any, Any]:
        """The symbolic inputs and outputs; of a graph from a file, or changed since, new ones."""
        known = self._lamina.ends
        layers = [getattr(self, step.layer) for step in self.graph.steps]
        if known is not None:
            places = {id(leaf): Ref(0, index) for index, leaf in enumerate(leaves_of(known[0]))}
            order = _order(leaves_of(known[1]), places)
            if all(map(operator.is_, layers, [applied.layer for applied in order])):
                return known
        for layer in layers:
            layer._lamina.applied.clear()
        starts, structure = flatten(self.graph.inputs, is_leaf=_is_spec)
        made: list[list[Any]] = [[Symbol(spec) for spec in starts]]
        for step, layer in zip(self.graph.steps, layers, strict=True):
            args, kwargs = _filled((step.args, step.kwargs), made)
            made.append(leaves_of(layer(*args, **kwargs)))
        found = unflatten(structure, made[0]), _filled(self.graph.outputs, made)
        self._lamina.ends = found
        return found

    def call(self, *inputs: Any, mask: Any = None) -> Any:
        outputs, masks = self._run(inputs, mask)
        note_mask(self, masks)
        return outputs

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self._run((inputs,), mask)[1]

    def _names_of_inputs(self) -> list[str]:
        return names_of_inputs(self.graph.inputs, self.graph.names)

    def _run(self, inputs: tuple[Any, ...], mask: Any) -> tuple[Any, Any]:
        """The outputs, and their masks in the same form."""
        wanted: list[Spec] = flatten(self.graph.inputs, is_leaf=_is_spec)[0]
        made = [[*map(as_declared, self._arranged(inputs), wanted)]]
        masks: list[list[Any]] = [_one_for_each(self._in_order(mask), len(made[0]))]
        for step in self.graph.steps:
            layer: Any = getattr(self, step.layer)
            args, kwargs = _filled((step.args, step.kwargs), made)
            known, named = _masks((step.args, step.kwargs), masks)
            outputs = layer(*args, **with_masks(layer, kwargs, known, named))
            made.append(leaves_of(outputs))
            after = mask_after(layer, args, known[0] if known else None)
            masks.append(_one_for_each(after, len(made[-1])))
        return _filled(self.graph.outputs, made), _filled(self.graph.outputs, masks)

    def _in_order(self, given: Any) -> Any:
        """What a dict holds for each input, in the order of the graph's inputs."""
        if not isinstance(given, dict):
            return given
        known = cast("dict[Any, Any]", given)
        named: Any = self.graph.inputs
        names: Any = sorted(cast("dict[Any, Any]", named)) if isinstance(named, dict) else None
        return [known.get(name) for name in names or self.graph.names]

    def _arranged(self, inputs: tuple[Any, ...]) -> list[Any]:
        """The arrays in the order of the graph's inputs."""
        wanted: list[Spec] = flatten(self.graph.inputs, is_leaf=_is_spec)[0]
        given: Any = inputs
        if len(inputs) == 1 and isinstance(inputs[0], list | tuple | dict):
            given = cast(Any, inputs[0])
        named: Any = self.graph.inputs
        if isinstance(given, dict) and isinstance(named, dict) and given.keys() != named.keys():
            raise _unfit(
                self, list(cast("dict[str, Any]", named)), list(cast("dict[str, Any]", given))
            )
        names: Any = self.graph.names
        if isinstance(given, dict) and not isinstance(named, dict):
            known = cast("dict[Any, Any]", given)
            if set(names) != set(known):
                raise _unfit(self, [name or "an Input without a name" for name in names], [*known])
            given = [known[name] for name in names]
        if isinstance(named, dict) and isinstance(given, list | tuple) and given is not inputs:
            raise _unfit(self, list(cast("dict[str, Any]", named)), ["a list, without names"])
        arrays = leaves_of(given)
        specs = [as_specs(array) for array in arrays]
        fits = len(wanted) == len(arrays) and all(
            not isinstance(spec, Spec)
            or covers(Arguments((one,), {}), Arguments((Spec(spec.shape, one.dtype),), {}))
            for one, spec in zip(wanted, specs, strict=True)
        )
        if not fits:
            raise _unfit(self, wanted, specs)
        return arrays


Model.graph_kind = Functional


def _filled(tree: Any, values: list[list[Any]]) -> Any:
    """A tree with values in place of references."""
    return map_tree(
        lambda leaf: values[leaf.step][leaf.output] if isinstance(leaf, Ref) else leaf,
        tree,
        is_leaf=_is_ref,
    )


def _traced(inputs: Any, outputs: Any) -> tuple[Graph, dict[str, Layer]]:
    """The graph between symbols, as data, and its layers by name."""
    starts, structure = flatten(inputs)
    ends = leaves_of(outputs)
    for leaf in (*starts, *ends):
        if not isinstance(leaf, Symbol):
            raise InputError(
                explain(
                    "A graph of layers goes from symbolic values to symbolic values.",
                    expected="lamina.Input(...), and what layers give for it",
                    received=repr(leaf),
                    remedy="Write x = lamina.Input(shape), and call the layers on x.",
                )
            )
    places = {id(symbol): Ref(0, index) for index, symbol in enumerate(starts)}
    order = _order(ends, places)
    numbers = {id(applied): number for number, applied in enumerate(order, 1)}
    layers = named([applied.layer for applied in order], Functional)
    names = {id(layer): name for name, layer in layers.items()}

    def refer(leaf: Any) -> Any:
        if not isinstance(leaf, Symbol):
            return leaf
        if id(leaf) in places:
            return places[id(leaf)]
        assert leaf.applied is not None
        return Ref(numbers[id(leaf.applied)], leaf.index)

    steps = tuple(
        Step(names[id(one.layer)], *map_tree(refer, (one.args, one.kwargs))) for one in order
    )
    specs = unflatten(structure, [symbol.spec for symbol in starts])
    names = tuple(symbol.name for symbol in starts)
    return Graph(specs, steps, map_tree(refer, outputs), names), layers


def _order(ends: list[Symbol], places: dict[int, Ref]) -> list[Applied]:
    """The calls that the ends need, in the order in which they were made."""
    found: dict[int, Applied] = {}
    pending = list(ends)
    while pending:
        symbol = pending.pop()
        if id(symbol) in places:
            continue
        applied = symbol.applied
        if applied is None:
            raise InputError(
                explain(
                    "An output needs an Input that the model is not given.",
                    expected="every Input that the outputs follow from",
                    received=f"no input {symbol!r}" + (f", {symbol.name!r}" * bool(symbol.name)),
                    remedy="Add it: Model([a, b], outputs).",
                )
            )
        if id(applied) not in found:
            found[id(applied)] = applied
            leaves = leaves_of((applied.args, applied.kwargs))
            pending += [leaf for leaf in leaves if isinstance(leaf, Symbol)]
    return sorted(found.values(), key=lambda applied: applied.number)


def _check_graph(graph: Any, layers: Any) -> None:
    """Let only a graph pass that calls its layers alone; a file may bring another one.

    Raises:
        InputError: it is another one, or a layer has the name of an attribute.
    """
    if type(graph) is Graph and isinstance(layers, dict):
        names = cast("dict[Any, Any]", layers)
        own = all(type(step) is Step and step.layer in names for step in graph.steps)
        if own and all(isinstance(layer, Layer) for layer in names.values()):
            check_names(names, Functional)
            allowance = ALLOWANCE.get()
            if allowance is not None:
                allowance.repeat(max(0, len(graph.steps) - len(names)))
            return
    raise InputError(
        explain(
            "That is no graph of layers.",
            expected="a Graph whose steps call its layers, and these by name",
            received=f"a {type(graph).__name__}, and layers",
            remedy="Write Model(inputs, outputs), with symbolic inputs and outputs.",
        )
    )


def _is_ref(leaf: Any) -> bool:
    return isinstance(leaf, Ref)


def _is_spec(leaf: Any) -> bool:
    return isinstance(leaf, Spec)


def _masks(tree: Any, masks: list[list[Any]]) -> Any:
    """The masks of what a tree refers to; None for the rest."""
    return map_tree(
        lambda leaf: masks[leaf.step][leaf.output] if isinstance(leaf, Ref) else None,
        tree,
        is_leaf=_is_ref,
    )


def _one_for_each(mask: Any, count: int) -> list[Any]:
    parts = list(cast("list[Any]", mask)) if isinstance(mask, list | tuple) else [mask]
    return parts if len(parts) == count else [parts[0] if parts else None] * count


def _unfit(model: Model, expected: Any, received: Any) -> InputError:
    return InputError(
        explain(
            f"The inputs do not fit {name_of(model)}.",
            where=f"made at {model._lamina.made_at}",
            expected=", ".join(map(str, expected)),
            received=", ".join(map(str, received)),
            remedy="Give one array for each Input, in their order or by their names.",
        )
    )
