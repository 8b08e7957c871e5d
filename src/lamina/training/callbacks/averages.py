"""A callback that puts the averages of the weights in place while a model is judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.training.callbacks.base import Callback

__all__ = ["SwapEMAWeights"]


class SwapEMAWeights(Callback):
    """Validates the running averages of the weights, which ``compile(use_ema=True)`` keeps.

    >>> swap = SwapEMAWeights()
    """

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self.model._lamina.trainer.swap_averages()

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self.model._lamina.trainer.swap_averages()
