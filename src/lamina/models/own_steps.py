"""The parts of a training step that a model's class may override, as in Keras on JAX."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import jax
import jax.numpy as jnp

from lamina.core.base.pytrees import leaves_of
from lamina.core.calling import views
from lamina.core.calling.key_states import without_key
from lamina.core.tree.build_state import unbuilt
from lamina.core.tree.cell import Cell, cell_values
from lamina.core.tree.node import attributes
from lamina.core.tree.walk import walk
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.lazy import lazily
from lamina.metrics import Mean
from lamina.models.model_state import state_of

if TYPE_CHECKING:
    import optax

    from lamina.models import compiled_metrics
    from lamina.training.data import batches
    from lamina.training.optimizers import applying, loss_scale
    from lamina.training.step import model_call
    from lamina.training.step.objective import Objective
else:
    applying = lazily("lamina.training.optimizers.applying")
    batches = lazily("lamina.training.data.batches")
    compiled_metrics = lazily("lamina.models.compiled_metrics")
    loss_scale = lazily("lamina.training.optimizers.loss_scale")
    optax = lazily("optax")
model_call = lazily("lamina.training.step.model_call")

__all__ = [
    "OwnSteps",
    "compute_loss",
    "compute_metrics",
    "get_metrics_result",
    "own_methods",
    "predict_step",
    "reset_metrics",
    "stateless_compute_loss",
    "test_step",
    "train_step",
]

_STEPS = ("train_step", "test_step", "predict_step")


def compute_loss(
    model: Layer,
    x: Any = None,
    y: Any = None,
    y_pred: Any = None,
    sample_weight: Any = None,
    training: bool = True,
) -> Any:
    """Return the loss of a batch: that of `compile`, and the losses that layers add.

    A subclass may override it; `fit` and `evaluate` then call it after the model.

    Args:
        x: the inputs.
        y: the labels.
        y_pred: the outputs of the model.
        sample_weight: the weights of the examples; None (default) for none.
        training: whether a step of training computes it; True by default.

    Returns:
        A scalar.

    Raises:
        InputError: `compile` has no loss, and no layer adds one.
    """
    objective = state_of(model).trainer_checked().objective
    added = model_call.added_losses(model)
    if objective.loss is None or y is None:
        if not added:
            raise InputError(
                explain(
                    f"There is nothing to minimize for {type(model).__name__}.",
                    where=f"made at {model._lamina.made_at}",
                    expected="a loss and labels, or losses that layers add",
                    received="no loss" if objective.loss is None else "no labels",
                    remedy="Pass compile(loss=...), or do not call super().compute_loss.",
                )
            )
        return sum(added[1:], added[0])
    return sum(added, objective.of_values(y_pred, y, sample_weight, {}).loss)


def compute_metrics(
    model: Layer, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
) -> dict[str, Any]:
    """Update the metrics of `compile` with a batch, and return the results of all metrics.

    A subclass may override it; `fit` and `evaluate` then call it after each step.

    Args:
        x: the inputs.
        y: the labels.
        y_pred: the outputs of the model.
        sample_weight: the weights of the examples; None (default) for none.

    Returns:
        The logs: results of ``model.metrics`` by name.
    """
    steps = own_steps(model)
    if steps.compiled is not None and y is not None:
        steps.compiled.update_state(y, y_pred, sample_weight)
    return get_metrics_result(model)


def get_metrics_result(model: Layer) -> dict[str, Any]:
    """Return the results of ``model.metrics`` by name."""
    found: dict[str, Any] = {}
    for metric in cast(Any, model).metrics:
        value = metric.result()
        found |= cast("Any", value) if isinstance(value, Mapping) else {metric.name: value}
    return found


def reset_metrics(model: Layer) -> None:
    """Reset the states of ``model.metrics``."""
    for metric in cast(Any, model).metrics:
        metric.reset_state()


def stateless_compute_loss(
    model: Layer,
    trainable_variables: Sequence[Any],
    non_trainable_variables: Sequence[Any],
    metrics_variables: Sequence[Any],
    x: Any = None,
    y: Any = None,
    y_pred: Any = None,
    sample_weight: Any = None,
    training: bool = True,
) -> tuple[Any, tuple[list[Any], list[Any], list[Any]]]:
    """Call `compute_loss` on given values of the variables, as a pure function.

    Args:
        trainable_variables: the values of ``model.trainable_variables``, in order.
        non_trainable_variables: those of ``model.non_trainable_variables``.
        metrics_variables: those of the variables of ``model.metrics``.
        x: the inputs.
        y: the labels.
        y_pred: the outputs of the model.
        sample_weight: the weights of the examples; None (default) for none.
        training: whether a step of training computes it; True by default.

    Returns:
        The loss, and the three lists after the call.
    """
    non_trainable_variables, key = without_key(model, non_trainable_variables)
    values = _by_id(model, trainable_variables, non_trainable_variables)

    def run(data: Any) -> Any:
        return _loss(model, *data, training=training)

    call = model_call.ModelCall(model, run, (x, y, y_pred, sample_weight), training)
    with cell_values(own_steps(model).metric_cells, metrics_variables) as metrics:
        loss, written = call.enter(values)
    kept = zip(views.non_trainable_variables(model), non_trainable_variables, strict=True)
    after = [written.get(id(variable), value) for variable, value in kept]
    return loss, (list(trainable_variables), [*after, *key], metrics)


def train_step(model: Layer, state: Any, data: Any) -> tuple[dict[str, Any], Any]:
    """Make a step of training, as a pure function; a subclass may override it.

    `fit` compiles it. It takes its random keys from the step.

    Args:
        state: lists of the values of ``trainable_variables``, ``non_trainable_variables``, of the
            variables of the optimizers, and of those of ``metrics``. The optimizer of `compile` is
            first, and then those that the model holds as attributes.
        data: the batch: ``(x, y)``, ``(x, y, sample_weight)`` or ``x``.

    Returns:
        The logs, a dict of scalars, and the new state.
    """
    trainable, others, optimizer, metrics = state
    steps = own_steps(model)
    main = steps.main
    count = len(main.variables)

    def loss_of(trainable: Any) -> Any:
        loss, *rest = _forward(model, steps, trainable, others, metrics, data, True)
        return main.scale_loss(loss), (loss, *rest)

    gradient = cast(Any, jax).grad(loss_of, has_aux=True)
    with cell_values(main.variables, optimizer[:count]):
        gradients, (loss, y_pred, others, metrics) = gradient(trainable)
    before = list(trainable), list(optimizer[:count])

    def update() -> tuple[list[Any], list[Any]]:
        return main.stateless_apply(before[1], gradients, before[0])

    guard = steps.guard
    trainable, updated = update() if guard is None else guard(loss, gradients, update, before)
    logs, metrics = _logs(model, steps, loss, y_pred, data, metrics)
    return logs, (trainable, others, [*updated, *optimizer[count:]], metrics)


def test_step(model: Layer, state: Any, data: Any) -> tuple[dict[str, Any], Any]:
    """Evaluate a batch, as a pure function; a subclass may override it.

    Args:
        state: as for :meth:`train_step`, without the variables of optimizers.
        data: the batch.

    Returns:
        The logs, a dict of scalars, and the new state.
    """
    trainable, others, metrics = state
    steps = own_steps(model)
    loss, y_pred, others, metrics = _forward(model, steps, trainable, others, metrics, data, False)
    logs, metrics = _logs(model, steps, loss, y_pred, data, metrics)
    return logs, (trainable, others, metrics)


def predict_step(model: Layer, state: Any, data: Any) -> tuple[Any, Any]:
    """Compute the outputs for a batch, as a pure function; a subclass may override it.

    Args:
        state: lists of the values of ``trainable_variables`` and ``non_trainable_variables``.
        data: the inputs of the batch.

    Returns:
        The outputs, and the values of ``non_trainable_variables``.
    """
    return cast(Any, model).stateless_call(*state, data, training=False)


def _forward(
    model: Layer,
    steps: OwnSteps,
    trainable: Any,
    others: Any,
    metrics: Any,
    data: Any,
    training: bool,
) -> tuple[Any, Any, list[Any], list[Any]]:
    """Return the loss, the outputs, and the other variables and the metrics' after the call."""

    def run(data: Any) -> Any:
        x, y, weights = batches.unpack(data)
        y_pred = model_call.call_on(model, x)
        return _loss(model, x, y, y_pred, weights, training=training), y_pred

    call = model_call.ModelCall(model, run, data, training, model_call.new_key())
    with cell_values(steps.metric_cells, metrics) as after:
        (loss, y_pred), written = call.enter(_by_id(model, trainable, others))
    kept = zip(views.non_trainable_variables(model), others, strict=True)
    return loss, y_pred, [written.get(id(v), value) for v, value in kept], after


def _loss(model: Layer, x: Any, y: Any, y_pred: Any, weights: Any, training: bool) -> Any:
    compute: Any = cast(Any, model).compute_loss
    options: dict[str, Any] = {"x": x, "y": y, "y_pred": y_pred, "sample_weight": weights}
    if "training" in inspect.signature(compute).parameters:
        options["training"] = training
    return compute(**options)


def _logs(
    model: Layer, steps: OwnSteps, loss: Any, y_pred: Any, data: Any, metrics: Any
) -> tuple[dict[str, Any], list[Any]]:
    x, y, weights = batches.unpack(data)
    with cell_values(steps.metric_cells, metrics) as after:
        if any(one is steps.loss for one in cast(Any, model).metrics):
            steps.loss.update_state(loss, sample_weight=_batch_size(data))
        logs = cast(Any, model).compute_metrics(x, y, y_pred, weights)
    return logs, after


def _batch_size(data: Any) -> float:
    return float(next((one.shape[0] for one in leaves_of(data) if jnp.ndim(one)), 1))


def _by_id(model: Layer, trainable: Sequence[Any], others: Sequence[Any]) -> dict[int, Any]:
    variables = [*views.trainable_variables(model), *views.non_trainable_variables(model)]
    return dict(zip(map(id, variables), [*trainable, *others], strict=True))


class OwnSteps:
    """What the own steps of a compiled model use.

    Args:
        model: the model.
        objective: the loss and metrics of `compile`.
        optimizer: that of `compile`; None for none.

    Attributes:
        loss: the metric of the mean loss.
        compiled: the metrics of `compile`, as one; None without any.
        guard: runs the update of the default `train_step`, unless the loss or a gradient is not
            finite; None to run it in any case.
    """

    def __init__(self, model: Layer, objective: Objective, optimizer: Any) -> None:
        self.model = model
        self.loss = Mean("loss")
        self.compiled: Any = None
        self.guard: Any = None
        if any(objective._metrics):
            self.compiled = compiled_metrics.CompiledMetrics(objective)
        self._main: Any = optimizer

    @property
    def main(self) -> Any:
        """The optimizer of `compile`.

        Raises:
            InputError: there is none.
        """
        if self._main is None:
            raise InputError(
                explain(
                    f"{type(self.model).__name__} has no optimizer.",
                    expected="compile(optimizer=...), or a train_step that uses others",
                    received="compile(optimizer=None)",
                    remedy="Pass compile('adam'), for example.",
                )
            )
        return self._main

    @property
    def optimizers(self) -> list[Any]:
        """The optimizer of `compile`, and the built ones that the model holds as attributes."""
        held = [
            one for one in _held(self.model) if isinstance(one, applying.Applying) and one.built
        ]
        every = held if self._main is None else [self._main, *held]
        return list({id(one): one for one in every}.values())

    @property
    def optimizer_cells(self) -> list[Cell]:
        """Their variables."""
        return [cell for one in self.optimizers for cell in one.variables]

    def hold(self, holder: Any) -> None:
        """Let training keep the states of all optimizers."""
        first = 0
        for one in self.optimizers:
            one.hold(holder, first)
            first += len(one.variables)

    @property
    def metric_cells(self) -> list[Cell]:
        """The variables of the metrics, in order."""
        return [cell for one in cast(Any, self.model).metrics for cell in one.variables]

    @property
    def has_default_step(self) -> bool:
        """Whether the class does not override `train_step`."""
        return cast(Any, type(self.model)).train_step is train_step

    def build_optimizers(self, trainable: Sequence[Any]) -> None:
        """Build the optimizer of `compile` for the model's variables."""
        if self._main is not None and not self._main.is_of(trainable):
            tree = walk(self.model)
            self._main.build(trainable, [tree.path(variable) for variable in trainable])

    def settle_scale(self, trace: Callable[[], Any]) -> Any:
        """Trace a step; one that does not scale its loss gets gradients that are not divided.

        Args:
            trace: traces the step.
        """
        main = self._main
        if not isinstance(main, loss_scale.DynamicLossScale):
            return trace()
        main.divides, main.was_read = True, False
        result = trace()
        if not main.was_read:
            main.divides = False
            warnings.warn(
                explain(
                    f"{type(self.model).__name__}.train_step does not scale its loss for float16.",
                    where=f"made at {self.model._lamina.made_at}",
                    expected="loss = self.optimizer.scale_loss(loss) before the gradients",
                    received="a loss as it is, so that small gradients are rounded to 0",
                    remedy="Scale the loss, or call compile(auto_scale_loss=False).",
                ),
                UserWarning,
                stacklevel=2,
            )
        return result

    def optimizer_structure(self) -> Any:
        """The structure of the states of all optimizers."""
        tools: Any = jax.tree_util
        states = [one.state_of(range(len(one.variables))) for one in self.optimizers]
        return tools.tree_structure(_one_or_all(states))

    def together(self) -> Any:
        """Return a transformation whose state has the form of that of all optimizers."""

        def init(params: Any) -> Any:
            own = [] if self._main is None else [self._main.init(params)]
            held = [one for one in self.optimizers if one is not self._main]
            states = [one.state_of([cell.stored() for cell in one._checked()]) for one in held]
            return _one_or_all([*own, *states])

        return optax.GradientTransformation(init, cast(Any, None))

    def reset_metrics(self) -> None:
        """Reset the metrics."""
        reset_metrics(self.model)

    def trace(self, batch: Any) -> Any:
        """Call the model on a batch, so that its layers and the metrics are built.

        A `train_step` of the model's own may use its layers in other ways, once they are built.
        """
        if not self.has_default_step and not unbuilt(walk(self.model)):
            return None
        x, y, weights = batches.unpack(batch)
        outputs = model_call.call_on(self.model, x)
        if self.compiled is not None and y is not None:
            self.compiled.update_state(y, outputs, weights)
        return outputs


def own_steps(model: Layer) -> OwnSteps:
    """The own steps of a compiled model.

    Raises:
        InputError: the model is not compiled, or trains without steps of its own.
    """
    found: Any = state_of(model).trainer_checked().objective.own_steps
    if found is None:
        raise InputError(
            explain(
                f"{type(model).__name__} has no steps of its own.",
                expected="a class that overrides train_step, compute_loss or compute_metrics",
                received="a class that does not",
                remedy="Use fit and evaluate, or override one of them.",
            )
        )
    return found


def own_methods(model: Layer) -> list[str]:
    """The names of the parts of a step that the class of a model overrides.

    Raises:
        InputError: a step takes other arguments than `fit` passes.
    """
    kind = type(model)
    base: dict[str, Any] = {
        "train_step": train_step,
        "test_step": test_step,
        "predict_step": predict_step,
        "compute_loss": compute_loss,
        "compute_metrics": compute_metrics,
        "metrics": None,
    }
    found = [name for name, one in base.items() if getattr(kind, name, None) is not one]
    for name in found:
        if name in _STEPS:
            method = inspect.signature(getattr(model, name))
            required = [p for p in method.parameters.values() if p.default is p.empty]
            if len(required) != 2 and all(p.kind is not p.VAR_POSITIONAL for p in required):
                raise InputError(
                    explain(
                        f"{kind.__name__}.{name} has other arguments than (state, data).",
                        where=f"made at {model._lamina.made_at}",
                        expected=f"{name}(self, state, data), a pure function that returns "
                        "(logs, state), as in Keras on JAX",
                        received=f"{name}{method}",
                        remedy="If only the loss is your own, write compute_loss(self, x, y, "
                        "y_pred, sample_weight) or train_loss(self, batch).",
                    )
                )
    return found


def _one_or_all(states: list[Any]) -> Any:
    return states[0] if len(states) == 1 else states


def _held(model: Layer) -> Iterator[Any]:
    for value in attributes(model).values():
        if isinstance(value, dict):
            yield from cast("dict[Any, Any]", value).values()
        elif isinstance(value, list):
            yield from cast("list[Any]", value)
        else:
            yield value
