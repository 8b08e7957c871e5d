"""A callback that validates the moving averages of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.training.callbacks.base import Callback, trainer_of

__all__ = ["SwapEMAWeights"]


class SwapEMAWeights(Callback):
    """Exchanges the weights and their moving averages during validation.

    ``compile(use_ema=True)`` keeps the averages; without them, the callback does nothing.

    >>> swap = SwapEMAWeights()
    """

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        trainer_of(self.model).swap_averages()

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        trainer_of(self.model).swap_averages()
