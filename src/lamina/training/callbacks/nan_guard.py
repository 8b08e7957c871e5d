"""A callback that ends training without an error when the loss is not finite."""

from __future__ import annotations

from lamina.training.callbacks.base import Callback

__all__ = ["TerminateOnNaN"]


class TerminateOnNaN(Callback):
    """Ends training with a warning when a loss or a gradient is infinite or NaN.

    The model keeps the weights from before that step. The epoch reports the loss that was not
    finite. Without this callback, `fit` raises an error that names the first layer whose output is
    not finite; see ``compile(on_nonfinite=...)``.

    Args:
        raise_error: whether to raise that error, which is a `RuntimeError`; False by default. Then
            `on_train_end` is not called.

    >>> guard = TerminateOnNaN()
    """

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = raise_error
