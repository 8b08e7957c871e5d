"""A callback that uses the moving averages of the weights during training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.errors import InputError, explain
from lamina.training.callbacks.base import Callback, trainer_of
from lamina.training.optimizers.weight_averages import average_names
from lamina.training.step.named_arrays import leaves_by_name

__all__ = ["SwapEMAWeights"]


class SwapEMAWeights(Callback):
    """Exchanges the weights and their moving averages during validation and prediction.

    ``compile(use_ema=True)`` keeps the averages.

    Args:
        swap_on_epoch: whether the model also has the averages from the end of an epoch to the
            beginning of the next one, so that callbacks after this one, such as
            :class:`ModelCheckpoint`, see them; False by default.

    Raises:
        InputError: when training begins, the optimizer keeps no averages.

    >>> swap = SwapEMAWeights(swap_on_epoch=True)
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        self.swap_on_epoch = swap_on_epoch

    def _check_setup(self) -> None:
        optimizer = trainer_of(self.model)._loan.optimizer
        state = optimizer.init({"weight": np.zeros(1, np.float32)})
        if not average_names(leaves_by_name(state)):
            raise InputError(
                explain(
                    "SwapEMAWeights needs moving averages of the weights.",
                    expected="compile(..., use_ema=True)",
                    received="an optimizer without averages",
                    remedy="Pass use_ema=True to compile, or omit the callback.",
                )
            )

    def _swap(self, to_averages: bool) -> None:
        trainer_of(self.model).swap_averages(to_averages)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._swap(False)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.swap_on_epoch:
            self._swap(True)

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._swap(True)

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._swap(False)

    def on_predict_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._swap(True)

    def on_predict_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._swap(False)
