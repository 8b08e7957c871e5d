"""The config of a graph of layers, in the form of Keras's functional models."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from lamina.core.base.pytrees import flatten, unflatten
from lamina.core.specs.spec import Spec
from lamina.errors import FileFormatError, explain
from lamina.layer import Layer
from lamina.lazy import lazily
from lamina.models.array_functions import ArrayFunction
from lamina.models.graph import Graph, Ref, Step, optional_inputs, without_list_of_one
from lamina.models.graph_operations import calls_of, is_operation, operation_of
from lamina.models.layer_names import free_names, names_of_inputs

if TYPE_CHECKING:
    from lamina import saving
else:
    saving = lazily("lamina.saving")

__all__ = ["GRAPH_KEYS", "graph_config", "graph_from", "input_config", "spec_from"]

GRAPH_KEYS = ("layers", "input_layers", "output_layers")
"""The keys of a config that describe a graph."""

_TENSOR, _TUPLE = "__keras_tensor__", "__tuple__"


def input_config(spec: Spec, name: str, optional: bool = False) -> dict[str, Any]:
    """Convert the spec of an input to the JSON of Keras's `InputLayer`."""
    config = {
        "batch_shape": list(spec.shape),
        "dtype": str(spec.dtype),
        "sparse": False,
        "ragged": False,
        "name": name,
        "optional": optional,
    }
    return {
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": config,
        "registered_name": None,
    }


def spec_from(described: Any) -> Spec | None:
    """Return the spec of the JSON of an `InputLayer`; None for that of another layer.

    Raises:
        FileFormatError: the JSON is damaged.
    """
    if not isinstance(described, Mapping):
        return None
    fields = cast("Mapping[str, Any]", described)
    if fields.get("class_name") != "InputLayer":
        return None
    try:
        config = fields["config"]
        shape = config.get("batch_shape", config.get("batch_input_shape"))
        return Spec(tuple(shape), config.get("dtype") or "float32")
    except Exception as error:
        raise _damaged(f"an InputLayer: {error}") from error


def graph_config(graph: Graph, layers: Mapping[str, Layer]) -> dict[str, Any]:
    """Convert a graph to JSON.

    Args:
        graph: the graph.
        layers: its layers by name.

    Returns:
        A dict of `layers`, `input_layers` and `output_layers`, as in Keras.
    """
    specs, structure = flatten(graph.inputs, is_leaf=lambda leaf: isinstance(leaf, Spec))
    inputs = _unique(names_of_inputs([], graph.names or (None,) * len(specs)), layers)
    places = {(0, index): [name, 0, 0] for index, name in enumerate(inputs)}
    nodes: dict[str, list[Any]] = {name: [] for name in layers}

    def place(ref: Ref) -> list[Any]:
        if ref.step == 0:
            return places[0, ref.output]
        name, node, _ = places[ref.step, 0]
        return [name, node, ref.output]

    def tensor(ref: Ref) -> Any:
        return {"class_name": _TENSOR, "config": {"keras_history": place(ref)}}

    described: list[dict[str, Any]] = [
        {**input_config(spec, name, optional), "name": name, "inbound_nodes": []}
        for name, spec, optional in zip(inputs, specs, optional_inputs(graph), strict=True)
    ]
    with saving.writing() as writer:

        def constant(value: Any) -> Any:
            return writer.value(value, "an argument of a call in the graph")

        for number, step in enumerate(graph.steps, 1):
            places[number, 0] = [step.layer, len(nodes[step.layer]), 0]
            args = [_written(value, tensor, constant) for value in step.args]
            kwargs = _written(step.kwargs, tensor, constant)
            nodes[step.layer].append({"args": args, "kwargs": kwargs})
        for name, layer in layers.items():
            entry = writer.object(layer)  # the writer may add the number of a shared layer later
            entry.update(name=name, inbound_nodes=nodes[name])
            described.append(entry)
    refs = unflatten(structure, [Ref(0, index) for index in range(len(specs))])
    return {
        "layers": described,
        "input_layers": _written(refs, place, place),
        "output_layers": _written(graph.outputs, place, place),
    }


def _unique(names: Iterable[str], taken: Iterable[str]) -> list[str]:
    used, found = set(taken), list[str]()
    for name in names:
        count, own = 0, name
        while own in used:
            count += 1
            own = f"{name}_{count}"
        used.add(own)
        found.append(own)
    return found


def _written(value: Any, ref: Callable[[Ref], Any], other: Callable[[Any], Any]) -> Any:
    """Convert a tree of references and constants to JSON."""
    if isinstance(value, Ref):
        return ref(value)
    if type(value) in (list, tuple):
        items = [_written(item, ref, other) for item in cast("list[Any]", value)]
        return items if isinstance(value, list) else {"class_name": _TUPLE, "items": items}
    if type(value) is dict:
        pairs = cast("dict[Any, Any]", value).items()
        return {str(name): _written(item, ref, other) for name, item in pairs}
    return other(value)


def graph_from(config: Mapping[str, Any], kind: type) -> tuple[Graph, dict[str, Layer]]:
    """Make a graph, and its layers by name, from JSON of Lamina or of Keras.

    A layer whose name is that of an attribute of every model, such as ``predict``, gets a number.

    Args:
        config: a dict with the keys of :func:`graph_config`.
        kind: the class of the model.

    Returns:
        The graph and the layers, unbuilt.

    Raises:
        FileFormatError: the JSON is damaged, or names a class that is not available.
    """
    try:
        return _Assembly(config).graph(kind)
    except FileFormatError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise _damaged(f"{type(error).__name__}: {error}"[:300]) from error


class _Assembly:
    """The layers and calls of a graph's config, in an order in which they can be called."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._specs: dict[str, Spec] = {}
        self._optional: dict[str, bool] = {}
        self._layers: dict[str, Layer] = {}
        self._calls: dict[tuple[str, int], Any] = {}
        with saving.reading_config() as self._reader:
            for entry in config["layers"]:
                self._add(entry)

    def _add(self, entry: Any) -> None:
        name = str(entry.get("name") or entry["config"]["name"])
        if name in self._layers or name in self._specs:
            raise ValueError(f"two layers have the name {name!r}")
        spec = spec_from(entry)
        if spec is not None:
            self._specs[name] = spec
            self._optional[name] = bool(entry["config"].get("optional"))
            return
        if is_operation(entry):
            kind, options, calls = operation_of(entry)
            layer: Any = ArrayFunction(kind, self._reader.value(options) or None)
        else:
            layer, calls = self._reader.object(entry), calls_of(entry)
        if not isinstance(layer, Layer):
            raise ValueError(f"{name!r} is not a layer")
        self._layers[name] = layer
        for index, call in enumerate(calls):
            self._calls[name, index] = call

    def graph(self, kind: type) -> tuple[Graph, dict[str, Layer]]:
        inputs = self._config["input_layers"]
        names: list[str] = []

        def spec_of(history: list[Any]) -> Spec:
            names.append(history[0])
            return self._specs[history[0]]

        specs = without_list_of_one(_ends(inputs, spec_of))
        # Leaves of a dict are sorted by name, as in pytrees.
        places: dict[tuple[str, int], int | Ref] = {
            (name, 0): Ref(0, index) for index, name in enumerate(names)
        }
        new = free_names(self._layers, kind)
        steps = [step._replace(layer=new[step.layer]) for step in self._ordered(places)]
        layers = {new[name]: layer for name, layer in self._layers.items()}
        outputs = _ends(self._config["output_layers"], lambda history: _ref(places, history))
        outputs = without_list_of_one(outputs)
        optional = tuple(self._optional[name] for name in names)
        optional = optional if any(optional) else ()
        return Graph(specs, tuple(steps), outputs, tuple(names), optional), layers

    def _ordered(self, places: dict[tuple[str, int], Any]) -> list[Step]:
        """The steps, each after those whose outputs it takes."""
        steps: list[Step] = []
        waiting: dict[tuple[str, int], list[tuple[str, int]]] = {}
        pending = deque(self._calls)
        while pending:
            key = pending.popleft()
            call = self._calls[key]
            missing = next((m for m in _histories(call) if m not in places), None)
            if missing is not None:
                waiting.setdefault(missing, []).append(key)
                continue
            args, kwargs = (self._read(call[part], places) for part in ("args", "kwargs"))
            steps.append(Step(key[0], tuple(args), kwargs))
            places[key] = len(steps)
            pending.extendleft(reversed(waiting.pop(key, [])))
        if waiting:
            name = next((name for name, _ in waiting if name not in self._layers), None)
            raise ValueError("the calls form a loop" if name is None else f"Missing node: {name}")
        return steps

    def _read(self, value: Any, places: Mapping[tuple[str, int], Any]) -> Any:
        if isinstance(value, list):
            return [self._read(item, places) for item in cast("list[Any]", value)]
        if isinstance(value, tuple):
            return tuple(self._read(item, places) for item in cast("tuple[Any]", value))
        if not isinstance(value, dict):
            return value
        fields = cast("dict[str, Any]", value)
        if fields.get("class_name") == _TENSOR:
            return _ref(places, fields["config"]["keras_history"])
        if fields.get("class_name") == _TUPLE:
            return tuple(self._read(item, places) for item in fields["items"])
        if "class_name" in fields:
            return self._reader.value(fields)
        return {name: self._read(item, places) for name, item in fields.items()}


def _ref(places: Mapping[tuple[str, int], Any], history: list[Any]) -> Ref:
    name, node, output = history
    place = places[name, node]
    return place if isinstance(place, Ref) else Ref(place, int(output))


def _histories(call: Any) -> Iterable[tuple[str, int]]:
    """The layer and call that give each symbolic argument of a call."""
    pending: list[Any] = [call["args"], call["kwargs"]]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            if fields.get("class_name") == _TENSOR:
                name, node, _ = fields["config"]["keras_history"]
                yield name, node
            else:
                pending.extend(fields.values())
        elif isinstance(value, list | tuple):
            pending.extend(cast("list[Any]", value))


def _ends(described: Any, make: Callable[[list[Any]], Any]) -> Any:
    """A tree of the inputs or outputs of a graph; dicts are read in the order of their keys."""
    if isinstance(described, dict):
        fields = cast("dict[str, Any]", described)
        if fields.get("class_name") == _TUPLE:
            return tuple(_ends(item, make) for item in fields["items"])
        made = {name: _ends(fields[name], make) for name in sorted(fields)}
        return {name: made[name] for name in fields}
    items = list(cast("list[Any]", described))
    if len(items) == 3 and isinstance(items[0], str):
        return make(items)
    made = [_ends(item, make) for item in items]
    return tuple(made) if isinstance(described, tuple) else made


def _damaged(received: str) -> FileFormatError:
    return FileFormatError(
        explain(
            "The config of a graph of layers is not valid.",
            expected="layers, input_layers and output_layers, as get_config returns them",
            received=received,
            remedy="Make the model in code.",
        )
    )
