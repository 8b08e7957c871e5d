"""A callback that ends training where numbers go wrong, without an error."""

from __future__ import annotations

from lamina.training.callbacks.base import Callback

__all__ = ["TerminateOnNaN"]


class TerminateOnNaN(Callback):
    """Ends training, with a warning, when a loss is not finite; weights are those before it.

    The epoch reports the loss as it was, infinite or NaN. Without this callback training ends with
    an error that says where the numbers went wrong.

    Args:
        raise_error: end with that error all the same.

    >>> guard = TerminateOnNaN()
    """

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = raise_error
