"""`Model`: a layer that can be trained, saved and inspected. Most methods are files beside this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, Unpack, cast

from lamina.core.base.pytrees import leaves_of
from lamina.core.calling import key_states
from lamina.core.calling.root_call import output_masks
from lamina.core.calling.views import View
from lamina.core.running.masks import masks_by_inner_layers
from lamina.errors import InputError
from lamina.layer import Layer
from lamina.layer_state import LayerNode
from lamina.lazy import lazily
from lamina.models import (
    captured_outputs,
    compilation,
    descriptions,
    evaluation,
    fitting,
    graph_call,
    keras_graph,
    layer_names,
    model_files,
    model_json,
    own_steps,
    prediction,
    profiler,
    state_tree,
    text_inputs,
)
from lamina.models.compilation import trainer_of
from lamina.models.graph import Graph, check_graph, graph_between, graph_of, without_list_of_one
from lamina.models.graph_config import GRAPH_KEYS, graph_config, graph_from
from lamina.models.input_layer import shapes
from lamina.models.layer_order import layer_order
from lamina.models.model_state import ModelNode, SymbolicEnds, record_as_data, state_of
from lamina.options import LayerOptions

if TYPE_CHECKING:
    from lamina import saving
    from lamina.models import compiled_metrics
else:
    saving = lazily("lamina.saving")
    compiled_metrics = lazily("lamina.models.compiled_metrics")

__all__ = ["Functional", "Model"]


def _call(model: Model, *inputs: Any, mask: Any = None) -> Any:
    """The outputs of the model's graph.

    Raises:
        InputError: the model has no graph, and its class no `call`.
    """
    graph = text_inputs.program_of(model)
    if graph is None:
        raise InputError(descriptions.no_call(model))
    text_inputs.check_ids(model, inputs)
    return graph_call.run(model, graph, inputs, mask)


class Model(Layer):
    """A layer that can be trained with `compile` and `fit`, evaluated, saved and inspected.

    A model is defined in one of two ways. A subclass holds layers and defines ``call``.
    ``Model(inputs, outputs)`` is a graph of layers between symbolic inputs and outputs; so is a
    model of a subclass without ``call`` that passes them to ``super().__init__``. Each layer of a
    graph is an attribute of the model (``dense``, ``dense_1``, in the order of the calls), and the
    model is built at once.

    For a custom loss, a subclass defines ``train_loss(self, batch)``: code with ``self(...)``
    that returns a scalar, or a scalar and a dict of values to report. `fit` differentiates and
    compiles it; `evaluate` runs it with ``training=False``.

    Args:
        inputs: symbolic inputs: an `Input`, or a list or dict of them. Default None: no graph.
            A list of one equals its element. Files and configs pass the graph as data.
        outputs: symbolic values that depend on `inputs` alone: one, or a list or dict of them.
            Values from within another graph share its layers. A list of one equals its element.
            Default None: no graph. Files and configs pass the layers of the graph by name.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call arguments:
        inputs: of a graph: an array for each input, as positional arguments, or in one list or
            dict in the form of `inputs`, or in a dict by the names of the inputs. A last axis of
            size 1 may be left out or added.
        mask: of a graph: the mask of the input, or one for each input. Masks that layers compute
            are passed on to the layers whose `call` takes one.

    Raises:
        InputError: `inputs` and `outputs` are not symbolic, or an output depends on another input;
            or, in a call, an array does not fit its `Input`.

    >>> import numpy as np
    >>> from lamina import Input, layers
    >>> x = Input((4,))
    >>> model = Model(x, layers.Dense(2)(x) * 0.5)
    >>> model(np.ones((3, 4))).shape, sorted(model.values())
    ((3, 2), ['dense.bias', 'dense.kernel'])

    >>> class Line(Model):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.dense = layers.Dense(1)
    ...     def call(self, inputs):
    ...         return self.dense(inputs)
    >>> model = Line()
    >>> model.compile("sgd", "mse")
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> history = model.fit(x, 2 * x, epochs=3, verbose=0)
    >>> len(history.history["loss"])
    3
    """

    _lamina_node: ClassVar[type[LayerNode]] = ModelNode

    stop_training = False
    """Set to True, by a callback for example, to end `fit` after the batch and its validation."""

    stop_evaluating = stop_predicting = False
    """Set to True by a callback to end `evaluate` or `predict` after the batch."""

    non_trainable_variables = View(key_states.non_trainable_variables)

    optimizer = View(lambda model: trainer_of(model).optimizer)
    """The optimizer of a compiled model: its state as variables, and methods to apply it."""

    trainer = View(trainer_of)
    """The :class:`lamina.Trainer` of a compiled model."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        given = bool(args) or not kwargs.keys().isdisjoint(("inputs", "outputs"))
        kind = Functional if cls is Model and given else cls
        return super().__new__(cast("type[Self]", kind), *args, **kwargs)

    def __init__(
        self,
        inputs: Any = None,
        outputs: Any = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        if type(inputs) is Graph:
            check_graph(inputs, outputs, self)
            self._hold(inputs, outputs)
        elif inputs is not None or outputs is not None:
            first, last = without_list_of_one(inputs), without_list_of_one(outputs)
            graph, layers = graph_between(first, last, self)
            layers = {name: layers[name] for name in layer_order(graph) if isinstance(name, str)}
            record_as_data(self, {"inputs": (inputs, graph), "outputs": (outputs, layers)})
            self._hold(graph, layers)
            called = graph_call.layers_called(self, graph)
            state_of(self).ends = SymbolicEnds(first, last, called)
            self._build_if_known()

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor; of a graph, its layers and calls.

        Returns:
            A dict that JSON can store. That of a graph has the keys of Keras: `name`,
            `trainable`, `layers`, `input_layers` and `output_layers`.

        Raises:
            LaminaError: an argument of a layer cannot be stored; the error names it.

        >>> from lamina import Input, layers
        >>> x = Input((4,))
        >>> Model(x, layers.Dense(2)(x)).get_config()["output_layers"]
        ['dense', 0, 0]
        """
        graph, recorded = graph_of(self), self._lamina.keywords
        if graph is None or type(recorded.get("inputs")) is not Graph:
            return super().get_config()
        held = {name: getattr(self, name) for name in recorded["outputs"]}
        with saving.writing(self):
            config = saving.get_config(self, leave_out=("inputs", "outputs"))
            return config | graph_config(graph, held)

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Make a model from the result of `get_config`, with new layers and weights.

        Nothing in the config is imported or unpickled; names are looked up as in
        :func:`lamina.load`.

        Args:
            config: the result of :meth:`get_config`, or of Keras's for a graph of layers that
                Lamina has.
            custom_objects: classes and functions by name; None (default) for none.

        Returns:
            A model of this class, with new initial values if the specs of its inputs are known.

        Raises:
            FileFormatError: the config is damaged, or names a class or function that is not
                available.

        >>> from lamina import Input, layers
        >>> x = Input((4,))
        >>> model = Model(x, layers.Dense(2)(x))
        >>> Functional.from_config(model.get_config()).count_params()
        10
        """
        with saving.reading_config(custom_objects, config) as reader:
            made: dict[str, Any] = {}
            if all(key in config for key in GRAPH_KEYS):
                made["inputs"], made["outputs"] = graph_from(config, cls)
            given = {name: value for name, value in config.items() if name not in GRAPH_KEYS}
            model = saving.from_config(cls, given if made else config, made=made)
        if reader.builds and model._lamina.built is None:
            model._build_if_known()
        return model

    def _build_if_known(self) -> None:
        """Build the model if the specs of its inputs are known."""
        known = Model._known_input(self)
        if known is not None:
            self.build(*([known] if text_inputs.stages_of(self) else leaves_of(known)))

    def _hold(self, graph: Graph, layers: dict[str, Layer]) -> None:
        self.graph = graph
        for name, layer in layers.items():
            setattr(self, name, layer)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return text_inputs.called(self, super().__call__, args, kwargs)

    _lamina_text_outputs = text_inputs.text_outputs
    call: Any = _call  # not a method, so that a subclass may define `call` with other arguments

    @masks_by_inner_layers
    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if graph_of(self) is None:
            return super().compute_mask(inputs, mask)
        return output_masks(self, inputs, mask)

    compile = compilation.compile
    fit = fitting.fit
    evaluate = evaluation.evaluate
    predict = prediction.predict
    train_on_batch = fitting.train_on_batch
    test_on_batch = evaluation.test_on_batch
    predict_on_batch = prediction.predict_on_batch

    save = model_files.save
    to_json = model_json.to_json
    export = model_files.export
    _compile_from_file = model_files.compile_from_file

    get_layer = layer_names.get_layer
    capture = captured_outputs.capture
    profile = profiler.profile
    get_state_tree = state_tree.get_state_tree
    set_state_tree = state_tree.set_state_tree

    input = View(lambda model: model._ends()[0])
    """The symbolic inputs, in the form in which they were given."""
    output = View(lambda model: model._ends()[1])
    """The symbolic outputs, in the form in which they were given."""
    inputs = View(lambda model: leaves_of(model._ends()[0]))
    """The symbolic inputs as a list."""
    outputs = View(lambda model: leaves_of(model._ends()[1]))
    """The symbolic outputs as a list."""

    layers = View(descriptions.listed_layers)
    """The layers directly below the model; in a graph, its inputs are layers too."""
    operations = View(descriptions.operations)
    """The layers directly below the model, with the operators of a graph, such as ``x + y``."""
    input_shape = View(lambda model: shapes(model._ends()[0]))
    """The shapes of the inputs, in their form; None for an unknown size."""
    output_shape = View(lambda model: shapes(model._ends()[1]))
    """The shapes of the outputs, in their form; None for an unknown size."""

    compiled = View(lambda model: state_of(model).is_compiled())
    """Whether `compile` was called."""
    compute_loss = own_steps.compute_loss
    compute_metrics = own_steps.compute_metrics
    get_metrics_result = own_steps.get_metrics_result
    reset_metrics = own_steps.reset_metrics
    stateless_compute_loss = own_steps.stateless_compute_loss
    train_step = own_steps.train_step
    test_step = own_steps.test_step
    predict_step = own_steps.predict_step

    metrics = View(lambda model: compiled_metrics.metrics_of(model))
    metrics_names = View(lambda model: [one.name for one in compiled_metrics.metrics_of(model)])
    """The names of `metrics`."""

    history = View(lambda model: state_of(model).history)
    """The :class:`lamina.training.History` of the last `fit`; None before."""

    output_names = View(lambda model: leaves_of(model._names_of_outputs()))
    """The names of the outputs in logs, if they are known; empty if not."""

    _listed_layers = descriptions.listed_layers
    _flatten_layers = descriptions.flattened
    _operations = operations

    def _names_of_outputs(self) -> Any:
        """The names of the outputs, in their structure; None if they are unknown."""
        graph = graph_of(self)
        return None if graph is None else layer_names.names_of_outputs(graph)

    def _lamina_input_names(self) -> tuple[str, ...]:
        return text_inputs.input_names(self)

    _ends = graph_call.ends_of
    _complete_graph = keras_graph.complete_graph

    def _known_input(self) -> Any:
        """The specs of the inputs, in their form; None if they are unknown."""
        graph = text_inputs.program_of(self)
        return None if graph is None else graph.inputs

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "layers" and type(self).call is _call:
            raise AttributeError(descriptions.layers_are_listed(self, "Use another name."))
        super().__setattr__(name, value)


class Functional(Model):
    """The class of ``Model(inputs, outputs)``; see :class:`Model` for arguments and errors.

    >>> from lamina import Input, layers
    >>> x = Input((4,))
    >>> type(Model(x, layers.Dense(2)(x))).__name__
    'Functional'
    """
