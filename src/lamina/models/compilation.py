"""`Model.compile`: the optimizer, loss and metrics that a model is trained with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from lamina.core.calling import held_metrics
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.lazy import lazily
from lamina.models import own_steps
from lamina.models.model_state import state_of

if TYPE_CHECKING:
    import optax

    from lamina.losses import LossLike
    from lamina.metrics import MetricLike
    from lamina.training.loop import trainer as loop
    from lamina.training.loop import training_state
    from lamina.training.loop.trainer import Trainer
    from lamina.training.optimizers import lookup as optimizers
    from lamina.training.optimizers import loss_scale
else:
    loop = lazily("lamina.training.loop.trainer")
    training_state = lazily("lamina.training.loop.training_state")
    optimizers = lazily("lamina.training.optimizers.lookup")
    loss_scale = lazily("lamina.training.optimizers.loss_scale")

__all__ = ["LearningRate", "Losses", "Metrics", "compile", "trainer_of"]

Losses: TypeAlias = "LossLike | Sequence[Any] | Mapping[str, Any]"
"""The loss of all outputs, or losses in the structure of the outputs, or by name."""

Metrics: TypeAlias = "MetricLike | Sequence[Any] | Mapping[str, Any]"
"""Metrics of one output, or metrics in the structure of the outputs, or by name."""

LearningRate: TypeAlias = float | Callable[[Any], Any]
"""A constant learning rate, or a schedule: a function of the number of updates so far."""


def compile(
    model: Layer,
    optimizer: str | optax.GradientTransformation | None = "adam",
    loss: Losses | None = None,
    metrics: Metrics | None = None,
    jit: bool = True,
    *,
    loss_weights: float | Sequence[Any] | Mapping[str, Any] | None = None,
    weighted_metrics: Metrics | None = None,
    run_eagerly: bool = False,
    jit_compile: bool | Literal["auto"] = "auto",
    auto_scale_loss: bool = True,
    learning_rate: LearningRate | None = None,
    clipnorm: float | None = None,
    clipvalue: float | None = None,
    global_clipnorm: float | None = None,
    gradient_accumulation_steps: int | None = None,
    use_ema: bool = False,
    ema_momentum: float = 0.99,
    on_nonfinite: Literal["raise", "stop", "ignore"] = "raise",
    steps_per_execution: int | Literal["auto"] = "auto",
) -> None:
    """Set the optimizer, the loss and the metrics of the model.

    Compiling again starts with a new state of the optimizer. The weights stay.

    Args:
        optimizer: a name, such as `"adam"` (default), `"adamw"` or `"sgd"`, or any optax
            transformation; None for a class whose ``train_step`` uses others.
        loss: the name of a loss, a :class:`lamina.losses.Loss`, or a function
            ``(y_true, y_pred)`` that returns the loss of each example. For several outputs: one
            loss for all of them, or losses in their structure, such as a list or dict, or by
            their names; None for an output without a loss, and a list of losses for their sum. A
            custom function in the place of nested outputs is called on all of them. The first step
            checks that losses and metrics fit the outputs. `"crossentropy"` selects a
            cross-entropy by the shapes of labels and outputs. Default None: the model's own
            ``train_loss(batch)``, or the losses that layers add.
        metrics: a list of names, metrics or functions ``(y_true, y_pred)``, reported beside the
            loss. For several outputs: a list of lists, or a dict, in the structure of the
            outputs. Sample weights have no effect on them. Default None.
        jit: False runs each step without compiling it, for debugging. Default True.
        loss_weights: the factor of each output's loss in the sum: a number for all, or a list or
            dict of numbers by output. Default None: 1 for each.
        weighted_metrics: the same as `metrics`, for metrics that use sample weights. Default None.
        run_eagerly: True is the same as ``jit=False``. Default False.
        jit_compile: False is the same as ``jit=False``. Default `"auto"`: `jit` decides.
        auto_scale_loss: scale the loss of a model of the dtype policy `"mixed_float16"` by a factor
            that adapts to its gradients, so that they are not rounded to 0. A step whose gradients
            are not finite is skipped then. Default True.
        learning_rate: of an optimizer given by name: a number, which callbacks can change, or a
            schedule, such as ``optax.cosine_decay_schedule(1e-3, 10_000)``. Default None: the
            optimizer's default, 0.001 (0.01 for `"sgd"`).
        clipnorm: the maximum L2 norm of each weight's gradient. Default None: no clipping.
        clipvalue: the maximum absolute value of each element of a gradient. Default None.
        global_clipnorm: the maximum L2 norm of all gradients together. Default None.
        gradient_accumulation_steps: the number of batches whose mean gradient makes one update.
            Default None: 1.
        use_ema: keep an exponential moving average of the weights, which replaces them at the end
            of `fit`. Default False.
        ema_momentum: the decay rate of that moving average, in [0, 1). Default 0.99.
        on_nonfinite: the action on a loss or gradient that is NaN or infinite. `"raise"` (default)
            raises an error, `"stop"` ends training with a warning, both with the weights from
            before the step; `"ignore"` continues.
        steps_per_execution: the number of steps on in-memory arrays that run as one program.
            `"auto"` (default) takes as many as run in about 0.2 seconds. Callbacks for batches are
            called once in that number of steps, as in Keras; with `"auto"` for each step.

    Raises:
        UnknownNameError: there is no optimizer, loss or metric of that name.
        InputError: an option is outside its range, or the class has a method of Keras's training
            loop, such as ``train_step``, with other arguments than `fit` passes.

    >>> from lamina import Sequential, layers
    >>> model = Sequential([layers.Dense(10)])
    >>> model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"], learning_rate=3e-4)
    >>> f"{model.optimizer.learning_rate:.6f}"
    '0.000300'
    """
    arguments = {name: value for name, value in locals().items() if name != "model"}
    own = [name for name in own_steps.own_methods(model) if name != "predict_step"]
    if own and loss is None and hasattr(model, "train_loss"):
        raise InputError(_two_ways(model, own))
    made = optimizers.get(
        "sgd" if optimizer is None and own else optimizer,
        learning_rate=learning_rate,
        clipnorm=clipnorm,
        clipvalue=clipvalue,
        global_clipnorm=global_clipnorm,
        gradient_accumulation_steps=gradient_accumulation_steps,
        ema_momentum=ema_momentum if use_ema else None,
    )
    if auto_scale_loss and model._lamina.dtype == "mixed_float16":
        made = (
            made
            if isinstance(made, loss_scale.DynamicLossScale)
            else loss_scale.loss_scale_optimizer(made)
        )
    trainer = loop.Trainer(
        model,
        made,
        loss,
        metrics,
        loss_weights=loss_weights,
        weighted_metrics=weighted_metrics,
        output_names=cast("Any", model)._names_of_outputs(),
        jit=jit and not run_eagerly and jit_compile is not False,
        on_nonfinite=on_nonfinite,
        steps_per_execution=steps_per_execution,
    )
    if own or (held_metrics.metrics(model) and trainer.objective.train_loss is None):
        main = None if optimizer is None else trainer.optimizer
        steps = own_steps.OwnSteps(model, trainer.objective, main)
        trainer.objective.own_steps = steps
        trainer._loan.optimizer = steps.together()
    state = state_of(model)
    state.trainer, state.arguments_of_compile, state.pending = trainer, arguments, None


def trainer_of(model: Layer) -> Trainer:
    """The trainer that `compile` made.

    A copy of a compiled model, or one from a file, is compiled here.

    Raises:
        InputError: the model is not compiled.
    """
    state = state_of(model)
    if state.pending is not None:
        pending = state.pending
        compile(model, **pending.arguments)
        if pending.state is not None and state.trainer is not None:
            training_state.resume_from(state.trainer, pending.state)
    trainer = state.trainer
    if trainer is None:
        raise InputError(
            explain(
                f"{type(model).__name__} is not compiled.",
                where=f"made at {model._lamina.made_at}",
                expected="compile(optimizer, loss) before fit and evaluate",
                received="neither loss nor optimizer",
                remedy="Call model.compile('adam', 'mse') first, for example.",
            )
        )
    return trainer


def _two_ways(model: Layer, own: list[str]) -> str:
    return explain(
        f"{type(model).__name__} has a method train_loss, and {own[0]}, which would not call it.",
        where=f"made at {model._lamina.made_at}",
        expected="one of them",
        received=", ".join(["train_loss", *own]),
        remedy="Remove one of them, or rename it.",
    )
