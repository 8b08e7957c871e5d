"""`Model.metrics`: the metrics of a model as objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from lamina.core.calling import held_metrics
from lamina.layer import Layer
from lamina.metrics import Mean, Metric
from lamina.models.model_state import state_of

if TYPE_CHECKING:
    from lamina.training.step.objective import Objective

__all__ = ["CompiledMetrics", "metrics_of"]


class CompiledMetrics(Metric):
    """The metrics of `compile`, as one entry of `Model.metrics`.

    Args:
        objective: the loss and metrics of `compile`.
    """

    def __init__(self, objective: Objective) -> None:
        super().__init__(name="compile_metrics")
        self._objective = objective

    @property
    def metrics(self) -> list[Metric]:
        """The metrics, in the order of the logs."""
        return self._objective.metrics

    @property
    def variables(self) -> list[Any]:
        """The variables of the metrics."""
        return [cell for one in self.metrics for cell in one.variables]

    def update_state(self, y_true: Any, y_pred: Any = None, sample_weight: Any = None) -> None:
        """Add a batch to the states of the metrics.

        Args:
            y_true: the labels, in the structure of the outputs.
            y_pred: the outputs of the model.
            sample_weight: the weights of the examples; None (default) for none.
        """
        inputs = self._objective.inputs_of_metrics(y_pred, y_true, sample_weight)
        for metric, (labels, outputs, weights) in zip(self.metrics, inputs, strict=True):
            metric.update_state(labels, outputs, weights)

    def result(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the results by name."""
        bound = self._objective.bound_metrics
        return {one.name: cast(Any, one.metric).result() for one in bound}

    def reset_state(self) -> None:
        """Reset the states of the metrics."""
        for metric in self.metrics:
            metric.reset_state()


def metrics_of(model: Layer) -> list[Metric]:
    """Return the metrics of a model: the loss, those of `compile`, further losses, and held ones.

    Those of `compile` hold no state: the values are in the logs of `fit` and `evaluate`. Held are
    the metrics that the model and its layers have as attributes.
    """
    trainer, held = state_of(model).trainer, held_metrics.metrics(model)
    if trainer is None:
        return held
    objective = trainer.objective
    steps: Any = objective.own_steps
    if steps is not None:
        return [steps.loss, *([] if steps.compiled is None else [steps.compiled]), *held]
    compiled = [CompiledMetrics(objective)] if objective.metrics else []
    return [Mean("loss"), *compiled, *(Mean(name) for name in objective.log_names), *held]
