"""The callback that displays the progress of `fit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.lazy import lazily
from lamina.training.callbacks.base import Callback, Logs

if TYPE_CHECKING:
    from lamina.training.callbacks import progress_bar
else:
    progress_bar = lazily("lamina.training.callbacks.progress_bar")

__all__ = ["ProgressBar"]


class ProgressBar(Callback):
    """Displays the steps, their rate, the remaining time, the loss and the metrics.

    `fit` adds this callback unless `callbacks` has one or `verbose` is 0.

    Args:
        verbose: 0 for no output, 1 for a progress bar, 2 for one line an epoch, `"auto"` (default)
            for a bar in a terminal and lines elsewhere.
        console: a ``rich.console.Console``; None (default) for standard output.

    >>> bar = ProgressBar(verbose=0)
    """

    def __init__(self, verbose: int | str | bool = "auto", console: Any = None) -> None:
        self.verbose = verbose
        self.console = console
        self._display: progress_bar.Display | None = None
        self._done = 0

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._display is not None:
            self._display.__exit__()
            self._display = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self.verbose != 0:
            epochs = (self.params or {}).get("epochs", 1)
            self._display = progress_bar.Display(epochs, self.verbose, self.console)
            self._display.__enter__()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self._display is not None:
            self._display.begin(epoch, (self.params or {}).get("steps"))

    def on_progress(self, step: int, logs: Logs | None = None) -> None:
        self._done = step
        if self._display is not None and self._display.live:
            self._display.update(step, logs or {})

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._display is not None:
            self._display.end(epoch, self._done, logs or {})

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.__exit__()
