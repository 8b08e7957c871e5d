"""The options of a trainer, as a type: editors complete them, and checkers refuse others."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from lamina.training.nonfinite.search import OnNonfinite
from lamina.training.step.metric_bindings import MetricsArgument

__all__ = ["TrainerOptions"]


class TrainerOptions(TypedDict, total=False):
    """The keyword arguments of :class:`lamina.Trainer`, which documents them."""

    loss_weights: Any
    weighted_metrics: MetricsArgument
    output_names: Any
    jit: bool
    seed: int | None
    on_nonfinite: OnNonfinite
    steps_per_execution: int | Literal["auto"]
