"""`clone_model`: the same model with new layers and weights, or with changed layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from lamina.core.base.pytrees import flatten, leaves_of, unflatten
from lamina.core.specs.spec import Spec
from lamina.core.tree.trainable import copy_flags
from lamina.core.tree.walk import walk
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.lazy import lazily
from lamina.models.compiled import Compiled
from lamina.models.graph import graph_of, substituted, symbols_of
from lamina.models.graph_call import layers_called
from lamina.models.model import Functional, Model
from lamina.models.model_state import state_of
from lamina.models.sequential import Sequential
from lamina.models.symbol import Symbol

if TYPE_CHECKING:
    from lamina import saving
else:
    saving = lazily("lamina.saving")

__all__ = ["clone_model"]

_L = TypeVar("_L", bound=Layer)


def clone_model(
    model: _L,
    input_tensors: Any = None,
    clone_function: Callable[[Any], Any] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
) -> _L:
    """Make a model of the same class and arguments, with new layers and weights.

    Args:
        model: the model, or any layer. If it is built, the clone is built for the same inputs.
        input_tensors: symbolic inputs of the clone, in the form of ``model.input``; for a graph or
            a `Sequential`. None (default) for new ones.
        clone_function: a function ``(layer) -> layer`` that makes the clone of each layer of a
            graph or a `Sequential`; it may return the same layer. None (default) makes each layer
            again from the arguments of its constructor.
        call_function: a function ``(layer, *args, **kwargs) -> outputs`` that calls each cloned
            layer of a graph, on symbolic values; it may call other layers before and after. None
            (default) calls the layer alone.
        recursive: whether inner graphs and `Sequential` models are cloned with these functions,
            instead of by `clone_function` as a whole. Default False.

    Returns:
        The clone, with new initial values. Each layer and weight is trainable if the original is. A
        graph or `Sequential` is compiled as the original, with a new state of the optimizer.

    Raises:
        InputError: the class takes symbolic values, so that the clone would share layers; the model
            is neither a graph nor a `Sequential`, but options are given; or `input_tensors` has
            another form than the inputs.

    >>> from lamina import Input, Sequential, layers
    >>> model = Sequential([Input((3,)), layers.Dense(2)])
    >>> clone_model(model).layers[0] is model.layers[0]
    False
    """
    if input_tensors is None and clone_function is None and call_function is None:
        return _made_again(model)
    cloning = _Cloning(clone_function or saving.recreated, call_function or _call, recursive)
    return cloning.model(model, input_tensors)


class _Cloning:
    """The clones of the layers of one model; a layer that occurs twice has one clone.

    Args:
        make: makes the clone of a layer.
        call: calls a cloned layer of a graph.
        recursive: whether inner models are cloned layer by layer.
    """

    def __init__(
        self, make: Callable[[Any], Any], call: Callable[..., Any], recursive: bool
    ) -> None:
        self._make, self._call, self._recursive = make, call, recursive
        self._clones: dict[int, Any] = {}

    def model(self, model: Any, inputs: Any = None) -> Any:
        """Return the clone of a graph or of a `Sequential`."""
        clone: Any = None
        if isinstance(model, Sequential):
            clone = self._stack(model, inputs)
        elif isinstance(model, Model) and graph_of(model) is not None:
            clone = self._graph(model, inputs)
        if clone is not None:
            _compile_as(model, clone)
            return clone
        raise InputError(
            explain(
                f"{type(model).__name__} cannot be cloned layer by layer.",
                where=f"made at {model._lamina.made_at}",
                expected="a Sequential, or a model of symbolic inputs and outputs",
                received=f"a subclass of {type(model).__mro__[1].__name__}",
                remedy="Call clone_model(model) without options.",
            )
        )

    def _layer(self, layer: Any) -> Any:
        if id(layer) not in self._clones:
            inner = isinstance(layer, Sequential) or (
                isinstance(layer, Model) and graph_of(layer) is not None
            )
            clone = self.model(layer) if self._recursive and inner else self._make(layer)
            self._clones[id(layer)] = clone
        return self._clones[id(layer)]

    def _stack(self, model: Sequential, inputs: Any) -> Any:
        given = leaves_of(inputs)
        if len(given) > 1:
            raise _mismatch_error(model, inputs)
        start = given or ([] if model.start is None else [Symbol(model.start)])
        layers = [self._layer(layer) for layer in model.__dict__["layers"]]
        return Sequential([*start, *layers], model._lamina.trainable, model._lamina.name)

    def _graph(self, model: Model, inputs: Any) -> Any:
        graph = cast(Any, graph_of(model))
        specs, structure = flatten(graph.inputs, is_leaf=lambda leaf: isinstance(leaf, Spec))
        symbols: list[Any] = [*symbols_of(graph)]
        if inputs is not None:
            symbols, form = flatten(inputs)
            plain = not isinstance(inputs, list | tuple | dict) or isinstance(inputs, list)
            if form != structure and not (plain and len(symbols) == len(specs)):
                raise _mismatch_error(model, inputs)
        values = [symbols]
        for step, layer in zip(graph.steps, layers_called(model, graph), strict=True):
            args, kwargs = substituted((step.args, step.kwargs), values)
            values.append(leaves_of(self._call(self._layer(layer), *args, **kwargs)))
        outputs = substituted(graph.outputs, values)
        clone = Functional(unflatten(structure, symbols), outputs, name=model._lamina.name)
        clone._lamina.trainable, clone._lamina.inherits = (
            model._lamina.trainable,
            model._lamina.inherits,
        )
        return clone


def _call(layer: Any, *args: Any, **kwargs: Any) -> Any:
    return layer(*args, **kwargs)


def _compile_as(model: Any, clone: Any) -> None:
    """Compile the clone of a graph or `Sequential` as the model, with a new optimizer state."""
    if isinstance(model, Sequential) or (isinstance(model, Model) and graph_of(model) is not None):
        state = state_of(model)
        arguments = state.arguments_of_compile or (state.pending and state.pending.arguments)
        if arguments and isinstance(clone, Model):
            state_of(clone).pending = Compiled(arguments, None)


def _made_again(model: _L) -> _L:
    kind = type(model)
    clone: _L = saving.recreated(model)
    _compile_as(model, clone)
    shared = walk(model).layers.keys() & walk(clone).layers.keys()
    if shared:
        raise InputError(
            explain(
                f"The clone would share layers with the original {kind.__name__}.",
                where=f"made at {model._lamina.made_at}",
                expected="a constructor that makes the layers, or takes them as arguments",
                received="a constructor that takes symbolic values of the layers' graph",
                remedy="Use copy.deepcopy(model), or let __init__ call the layers.",
            )
        )
    built = model._lamina.built
    if built is not None and clone._lamina.built is None:
        clone.build(*built.inputs.args, method=built.method, **built.inputs.kwargs)
    copy_flags(walk(model), walk(clone))
    return clone


def _mismatch_error(model: Layer, inputs: Any) -> InputError:
    return InputError(
        explain(
            "`input_tensors` must have the same structure as model.input.",
            where=f"{type(model).__name__} made at {model._lamina.made_at}",
            received=repr(inputs)[:200],
            remedy="Pass one symbolic input for each input of the model, in the same form.",
        )
    )
