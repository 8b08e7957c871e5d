"""Text as data of models: layers of text run on the host, before and after the program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import jax
import numpy as np
from jax.core import Tracer

from lamina.core.base.pytrees import flatten, leaves_of, map_tree, unflatten
from lamina.core.building.transaction import outputs_of
from lamina.core.calling.views import name as name_of
from lamina.core.running.scope import current
from lamina.core.specs.spec import Arguments, Spec
from lamina.core.tree.node import Symbolic
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layers.bases.text import TextLayer, is_text, rearrange, rearranges
from lamina.lazy import lazily
from lamina.models.graph import Graph, Ref, Step, graph_of, substituted, symbols_of
from lamina.models.graph_call import in_order, layers_called
from lamina.models.layer_names import names_of_inputs
from lamina.models.model_state import state_of
from lamina.models.symbol import Symbol

if TYPE_CHECKING:
    from lamina.training.data import batches
else:
    batches = lazily("lamina.training.data.batches")

__all__ = [
    "Stages",
    "called",
    "check_ids",
    "ids_specs",
    "input_names",
    "program_of",
    "stages_of",
    "text_outputs",
    "with_ids",
    "with_ids_in_batch",
    "with_text",
]


class Stages(NamedTuple):
    """A graph that takes or gives text, divided into a program, and steps on the host.

    Attributes:
        graph: the whole graph.
        before: the numbers of the steps that run on the host before the program, in order.
        taken: by the names of the program's inputs, what they are in the whole graph.
        program: the graph of the program. It gives indices in the place of text.
    """

    graph: Graph
    before: tuple[int, ...]
    taken: dict[str, Ref]
    program: Graph


def stages_of(model: Layer) -> Stages | None:
    """Return the stages of a model that is a graph with text; None for other models."""
    graph = graph_of(model)
    if graph is None:
        return None
    state = state_of(model)
    if state.stages is None or state.stages[0] is not graph:
        state.stages = (graph, _divided(model, graph))
    return state.stages[1]


def program_of(model: Layer) -> Graph | None:
    """Return the graph that programs run: that of the model, without layers of text."""
    stages = stages_of(model)
    return graph_of(model) if stages is None else stages.program


def input_names(model: Layer) -> tuple[str, ...]:
    """Return the names of the inputs of programs; empty without a graph, or if not unique."""
    graph = program_of(model)
    found = () if graph is None else names_of_inputs(graph.inputs, graph.names or (None,))
    return tuple(found) if len(set(found)) == len(found) else ()


def _divided(model: Layer, graph: Graph) -> Stages | None:
    layers = layers_called(model, graph)
    arguments = [_refs((step.args, step.kwargs)) for step in graph.steps]
    texts, of_text = _texts_of(graph, layers, arguments)
    if not texts:
        return None
    before = _with_ancestors(of_text, arguments)
    for number in of_text:
        if not _has_program(layers[number - 1]):
            layers[number - 1]._lamina_outside = True
    names = names_of_inputs(graph.inputs, graph.names or (None,))
    symbols: list[list[Any]] = [list(symbols_of(graph))]
    values = {Ref(0, index): symbol.spec for index, symbol in enumerate(symbols[0])}
    steps: list[Step] = []
    numbers: dict[int, int] = {}
    for number, (step, layer) in enumerate(zip(graph.steps, layers, strict=True), 1):
        symbols.append([])
        has_program = number in of_text and _has_program(layer)
        if number in before:
            for ref in arguments[number - 1]:
                if not symbols[ref.step]:
                    raise InputError(_text_within(model, graph.steps[ref.step - 1].layer))
            args, kwargs = substituted((step.args, step.kwargs), symbols)
            if has_program:
                ids = ids_specs(layer, map_tree(_spec, args[0]))
                found, structure = flatten(ids, is_leaf=_is_spec)
                own = [Ref(-number, index) for index in range(len(found))]
                step = Step(step.layer, (unflatten(structure, own),), step.kwargs)
            else:
                calls = [*layer._lamina.symbolic_calls]
                symbols[-1] = leaves_of(layer(*args, **kwargs))
                layer._lamina.symbolic_calls[:] = calls
                found = [symbol.spec for symbol in symbols[-1]]
            if number in of_text:
                values |= {Ref(-number, index): spec for index, spec in enumerate(found)}
        if has_program or not (number in of_text or isinstance(layer, TextLayer)):
            steps.append(step)
            numbers[number] = len(steps)
    taken = _named(graph, names, {ref: spec for ref, spec in values.items() if not spec.is_text})
    places = {ref: Ref(0, index) for index, ref in enumerate(taken.values())}
    if not any(ref.step == 0 for ref in texts):
        places = {ref: ref for ref in taken.values()}

    def refer(leaf: Any) -> Any:
        if not isinstance(leaf, Ref):
            return leaf
        if leaf in texts and leaf.step and isinstance(layers[leaf.step - 1], TextLayer):
            return refer(arguments[leaf.step - 1][0])
        if leaf.step in numbers:
            return Ref(numbers[leaf.step], leaf.output)
        if leaf in texts:
            name = graph.steps[leaf.step - 1].layer if leaf.step else names[leaf.output]
            raise InputError(_text_through(model, name))
        return places[Ref(-abs(leaf.step), leaf.output)]

    steps = [
        Step(step.layer, *map_tree(refer, (step.args, step.kwargs), is_leaf=_is_ref))
        for step in steps
    ]
    outputs = map_tree(refer, graph.outputs, is_leaf=_is_ref)
    if not any(ref.step == 0 for ref in texts):
        return Stages(graph, (), {}, graph._replace(steps=tuple(steps), outputs=outputs))
    inputs = {name: values[ref] for name, ref in taken.items()}
    program = Graph(inputs, tuple(steps), outputs, tuple(taken))
    return Stages(graph, tuple(sorted(before)), taken, program)


def _texts_of(
    graph: Graph, layers: list[Any], arguments: list[list[Ref]]
) -> tuple[set[Ref], set[int]]:
    """The references to text, and the numbers of the steps that take text."""
    specs = flatten(graph.inputs, is_leaf=_is_spec)[0]
    texts = {Ref(0, index) for index, spec in enumerate(specs) if spec.is_text}
    of_text: set[int] = set()
    for number, (layer, refs) in enumerate(zip(layers, arguments, strict=True), 1):
        if not texts.isdisjoint(refs):
            of_text.add(number)
        given = _texts_given(layer)
        if number in of_text and rearranges(layer):
            texts.add(Ref(number, 0))
        texts |= {Ref(number, index) for index, one in enumerate(given) if one is not None}
    return texts, of_text


def _with_ancestors(numbers: set[int], arguments: list[list[Ref]]) -> set[int]:
    """The numbers of steps, and of those that they depend on."""
    found: set[int] = set()
    pending = list(numbers)
    while pending:
        number = pending.pop()
        if number not in found:
            found.add(number)
            pending += [ref.step for ref in arguments[number - 1] if ref.step]
    return found


def _named(graph: Graph, names: list[str], values: dict[Ref, Spec]) -> dict[str, Ref]:
    """The inputs of the program by name, in the order of names, as in pytrees."""
    found: dict[str, Ref] = {}
    for ref in values:
        name = own = graph.steps[-ref.step - 1].layer if ref.step else names[ref.output]
        count = 0
        while own in found:
            count += 1
            own = f"{name}_{count}"
        found[own] = ref
    return dict(sorted(found.items()))


def _is_ref(leaf: Any) -> bool:
    return isinstance(leaf, Ref)


def _is_spec(leaf: Any) -> bool:
    return isinstance(leaf, Spec)


def _spec(leaf: Any) -> Any:
    return leaf.spec if isinstance(leaf, Symbol) else leaf


def _refs(tree: Any) -> list[Ref]:
    return [leaf for leaf in flatten(tree, is_leaf=_is_ref)[0] if isinstance(leaf, Ref)]


def _stack(layer: Any) -> list[Any] | None:
    """The first layers of a `Sequential`, those of text; None for other layers."""
    return layer._of_text() if hasattr(layer, "_of_text") else None


def _has_program(layer: Any) -> bool:
    """Whether a layer that takes text is a model with a program after its layers of text."""
    stack = _stack(layer)
    return stages_of(layer) is not None if stack is None else len(stack) < len(layer.layers)


def _texts_given(layer: Any) -> list[TextLayer | None]:
    """For each output of a layer, the layer of text that its indices are for; empty for none."""
    if isinstance(layer, TextLayer):
        return [layer] if getattr(layer, "invert", False) else []
    graph = graph_of(layer)
    if graph is None or stages_of(layer) is None:
        return []
    found: list[TextLayer | None] = []
    for ref in _refs(graph.outputs):
        inner = _texts_given(getattr(layer, graph.steps[ref.step - 1].layer)) if ref.step else []
        found.append(inner[ref.output] if inner else None)
    return found if any(one is not None for one in found) else []


def ids_specs(layer: Any, specs: Any) -> Any:
    """Return the specs of the inputs of a model's program.

    Args:
        layer: the model; or a layer of text, for the specs of its outputs.
        specs: the specs of its inputs, with text among them.
    """
    stages, stack = stages_of(layer), _stack(layer)
    if stages is not None:
        return stages.program.inputs if stages.taken else specs
    if stack is None:
        of_text = getattr(layer, "_lamina_text_outputs", None)
        found = None if of_text is None else of_text(specs)
        return outputs_of(layer, Arguments((specs,), {})) if found is None else found
    for one in stack:
        specs = ids_specs(one, specs)
    if isinstance(specs, Spec) and specs.is_text and len(stack) < len(layer.layers):
        return ids_specs(layer.layers[len(stack)], specs)
    return specs


def text_outputs(model: Any, *specs: Any) -> Any:
    """Return the specs of a model's outputs for those of its inputs; None without text."""
    given = specs[0] if len(specs) == 1 else list(specs)
    texts = _texts_given(model)
    if not texts and not any(spec.is_text for spec in Arguments(specs, {}).leaves()):
        return None
    stack = _stack(model)
    if stages_of(model) is None and not stack:
        return None
    ids = ids_specs(model, given)
    if stack is not None and len(stack) == len(model.layers):
        return ids
    outputs = outputs_of(model, Arguments((ids,), {}))
    if not texts:
        return outputs
    leaves, structure = flatten(outputs, is_leaf=_is_spec)
    marked = [
        leaf if one is None else Spec(leaf.shape, "string")
        for leaf, one in zip(leaves, texts, strict=True)
    ]
    return unflatten(structure, marked)


def called(model: Any, call: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
    """Call a model on text, outside of programs; other calls are passed on.

    Args:
        model: the model.
        call: the call of its program.
        args: the positional arguments.
        kwargs: the keyword arguments.
    """
    stages = stages_of(model)
    if stages is None or current() is not None:
        return call(*args, **kwargs)
    if any(isinstance(leaf, Symbolic | Tracer) for leaf in leaves_of(args)):
        return call(*args, **kwargs)
    if stages.taken:
        args = (with_ids(model, args[0] if len(args) == 1 else args),)
    return with_text(model, call(*args, **kwargs))


def with_ids(model: Any, x: Any) -> Any:
    """Apply the layers of text of a `Sequential` or a graph to its inputs.

    Args:
        model: the model.
        x: its inputs, or a source of batches.

    Returns:
        The inputs of the model's programs. Data that are not text are returned as they are, where
        the model takes such data.

    Raises:
        InputError: an input of text is not text.
    """
    stages, stack = stages_of(model), _stack(model)
    if not stack and (stages is None or not stages.taken) and not is_text(x):
        return x
    if not is_text(x) and batches.is_batch_source(x):
        return _mapped(model, x)
    if stages is not None and stages.taken:
        return _ids_of_graph(model, stages, x)
    if stack is not None:
        if not is_text(x):
            if model.start is not None and model.start.is_text:
                raise InputError(_not_text(model, "inputs", x))
            return x
        for layer in stack:
            x = rearrange(layer, (x,), {})
        if len(stack) < len(model.layers) and is_text(x):
            return with_ids(model.layers[len(stack)], x)
    return x


def _ids_of_graph(model: Layer, stages: Stages, x: Any) -> Any:
    if isinstance(x, dict) and x.keys() == stages.taken.keys():
        return cast("dict[str, Any]", x)  # as the program takes them
    graph = stages.graph
    specs = flatten(graph.inputs, is_leaf=_is_spec)[0]
    values = [in_order(model, graph, (_as_arrays(x, isinstance(graph.inputs, Spec)),))]
    names = names_of_inputs(graph.inputs, graph.names or (None,))
    for name, spec, value in zip(names, specs, values[0], strict=True):
        if spec.is_text and not is_text(value):
            raise InputError(_not_text(model, name, value))
    for number, step in enumerate(graph.steps, 1):
        values.append([])
        if number in stages.before:
            layer = getattr(model, step.layer)
            args, kwargs = substituted((step.args, step.kwargs), values)
            split = Ref(-number, 0) in stages.taken.values() and _has_program(layer)
            found = with_ids(layer, args[0]) if split else rearrange(layer, args, kwargs)
            values[-1] = leaves_of(found)
    return {name: values[abs(ref.step)][ref.output] for name, ref in stages.taken.items()}


def _as_arrays(x: Any, single: bool) -> Any:
    """Inputs with an array in the place of each list, str or series."""
    if isinstance(x, dict):
        return {name: _as_arrays(one, True) for name, one in cast("dict[Any, Any]", x).items()}
    if isinstance(x, list | tuple) and not single:
        return [_as_arrays(one, True) for one in cast("list[Any]", x)]
    if isinstance(x, jax.Array) or x is None:
        return x
    return np.asarray(x, object if is_text(x) else None)


def _mapped(model: Layer, source: Any) -> Any:
    """A source of batches with the inputs of programs."""
    if isinstance(source, Iterator):
        return (with_ids_in_batch(model, batch) for batch in batches.iterate(source))
    return _Batches(model, source)


class _Batches:
    """A source of batches with the inputs of programs; it can be iterated several times."""

    def __init__(self, model: Layer, source: Any) -> None:
        self._model, self._source = model, source

    def __iter__(self) -> Iterator[Any]:
        return (with_ids_in_batch(self._model, batch) for batch in batches.iterate(self._source))

    def __len__(self) -> int:
        return len(self._source)


def with_ids_in_batch(model: Layer, data: Any) -> Any:
    """Apply :func:`with_ids` to the inputs of ``(x, y)`` or ``(x, y, sample_weight)``, or to x."""
    if isinstance(data, tuple) and data:
        return (with_ids(model, data[0]), *data[1:])
    return with_ids(model, data)


def with_text(model: Layer, outputs: Any) -> Any:
    """Replace the indices of text among the outputs of a model's program by the text."""
    texts = _texts_given(model)
    if not texts:
        return outputs
    leaves, structure = flatten(outputs)
    pairs = zip(leaves, texts, strict=True)
    return unflatten(structure, [leaf if one is None else one(leaf) for leaf, one in pairs])


def check_ids(model: Layer, inputs: tuple[Any, ...]) -> None:
    """Check that a program of a graph with inputs of text gets a dict of what it takes.

    Raises:
        InputError: it gets something else.
    """
    stages = stages_of(model)
    if stages is not None and stages.taken:
        given = cast("dict[Any, Any]", inputs[0]) if len(inputs) == 1 else None
        if not isinstance(given, dict) or given.keys() != stages.taken.keys():
            raise InputError(
                explain(
                    f"The program of {name_of(model)} gets other inputs than its layers of text "
                    "give.",
                    where=f"made at {model._lamina.made_at}",
                    expected=f"a dict of {', '.join(stages.taken)}",
                    received=", ".join(given) if isinstance(given, dict) else str(inputs)[:200],
                    remedy="Call the model itself, fit, evaluate or predict on text; jit, apply, "
                    "plan and build take that dict of arrays or specs.",
                )
            )


def _not_text(model: Layer, name: str, value: Any) -> str:
    return explain(
        f"The input {name!r} of {name_of(model)} is one of text.",
        where=f"made at {model._lamina.made_at}",
        expected="str or bytes, or an array or nested lists of them",
        received=f"{value.dtype} of shape {value.shape}" if hasattr(value, "dtype") else str(value),
        remedy="Pass strings, in order or by name.",
    )


def _text_within(model: Layer, layer: str) -> str:
    return explain(
        f"A layer of text in {name_of(model)} takes what a model with text computes.",
        where=f"made at {model._lamina.made_at}",
        expected="layers of text that take the inputs of the graph",
        received=f"an output of {layer}",
        remedy="Make two models, and call the second on the outputs of the first.",
    )


def _text_through(model: Layer, name: str) -> str:
    return explain(
        f"An output of {name_of(model)} is text that no layer of the program gives.",
        where=f"made at {model._lamina.made_at}",
        expected="numbers, or StringLookup(invert=True) of indices",
        received=repr(name),
        remedy="Leave out that output; the text is known before the call.",
    )
