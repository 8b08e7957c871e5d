"""`Model.metrics`: the metrics of a compiled model as objects."""

from __future__ import annotations

from lamina.layer import Layer
from lamina.metrics import Mean, Metric
from lamina.models.model_state import state_of

__all__ = ["CompiledMetrics", "metrics_of"]


class CompiledMetrics(Metric):
    """The metrics of `compile`, as one entry of `Model.metrics`.

    Attributes:
        metrics: the metrics, in the order of the logs.
    """

    def __init__(self, metrics: list[Metric]) -> None:
        super().__init__(name="compile_metrics")
        self.metrics = metrics


def metrics_of(model: Layer) -> list[Metric]:
    """Return the metrics of a compiled model: the loss, those of `compile`, and further losses.

    They hold no state: the values are in the logs of `fit` and `evaluate`.
    """
    trainer = state_of(model).trainer
    if trainer is None:
        return []
    objective = trainer.objective
    compiled = [CompiledMetrics(objective.metrics)] if objective.metrics else []
    return [Mean("loss"), *compiled, *(Mean(name) for name in objective.log_names)]
