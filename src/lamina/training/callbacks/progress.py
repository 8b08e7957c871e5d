"""The display of the progress of `fit`, `evaluate` and `predict`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.base.processes import is_main_process
from lamina.errors import InputError, explain
from lamina.lazy import lazily
from lamina.training.callbacks.base import Callback, Logs

if TYPE_CHECKING:
    from lamina.training.callbacks import progress_bar
else:
    progress_bar = lazily("lamina.training.callbacks.progress_bar")

__all__ = ["UPDATE_SECONDS", "PassProgress", "ProgressBar"]

UPDATE_SECONDS = 0.2
"""The time between two updates of the progress."""


class ProgressBar(Callback):
    """Displays the steps, their rate, the remaining time, the loss and the metrics.

    `fit`, `evaluate` and `predict` use one with their `verbose`, unless `callbacks` has one.

    Args:
        verbose: 0 for no output, 1 for a progress bar, 2 for one line for an epoch, evaluation or
            prediction, `"auto"` (default) for a bar in a terminal and lines elsewhere.
        console: a ``rich.console.Console``; None (default) for standard output.

    Raises:
        InputError: `verbose` is invalid.

    >>> bar = ProgressBar(verbose=0)
    """

    def __init__(self, verbose: int | str | bool = "auto", console: Any = None) -> None:
        if verbose and verbose != "auto" and not isinstance(verbose, int | np.integer):
            raise InputError(
                explain(
                    "verbose is not valid.",
                    expected="0, 1, 2 or 'auto'",
                    received=repr(verbose),
                    remedy="Pass 1 for a progress bar, or 2 for lines.",
                )
            )
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
        if self.verbose and is_main_process():
            self._display = progress_bar.Display(self.verbose, self.console)
            self._display.__enter__()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self._display is not None:
            params = self.params or {}
            label = f"epoch {epoch + 1}/{params.get('epochs', 1)}"
            self._display.begin(label, params.get("steps"))

    def on_progress(self, step: int, logs: Logs | None = None) -> None:
        self._done = step
        if self._display is not None and self._display.live:
            self._display.update(step, logs or {})

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._display is not None:
            self._display.end(self._done, logs or {})

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.__exit__()


class PassProgress:
    """Displays the progress of one evaluation or prediction, within ``with``.

    Args:
        label: "evaluate" or "predict".
        steps: the number of batches; None if unknown.
        verbose: as in :class:`ProgressBar`.
        callbacks: a :class:`ProgressBar` among them replaces `verbose`.
    """

    def __init__(
        self, label: str, steps: int | None, verbose: int | str | bool, callbacks: Sequence[Any]
    ) -> None:
        bars = [one for one in callbacks if isinstance(one, ProgressBar)]
        bar = bars[0] if bars else ProgressBar(verbose)
        self._display: progress_bar.Display | None = None
        if bar.verbose and is_main_process():
            self._display = progress_bar.Display(bar.verbose, bar.console)
        self._label, self._steps = label, steps
        self._done = 0
        self._shown_at = 0.0

    def __enter__(self) -> PassProgress:
        if self._display is not None:
            self._display.__enter__()
            self._display.begin(self._label, self._steps)
            self._shown_at = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        if self._display is not None:
            self._display.__exit__()

    @property
    def live(self) -> bool:
        """Whether steps are displayed before the end."""
        return self._display is not None and self._display.live

    def advance(self, steps: int, logs: Callable[[], Logs]) -> None:
        """Count steps, and display them with the logs at most five times a second.

        Args:
            steps: the number of steps made since the last call.
            logs: returns the logs up to now; called if they are displayed.
        """
        self._done += steps
        display = self._display
        if display is None or not display.live:
            return
        if time.perf_counter() - self._shown_at >= UPDATE_SECONDS:
            display.update(self._done, logs())
            self._shown_at = time.perf_counter()

    def end(self, logs: Logs) -> None:
        """Display the logs of the whole pass."""
        if self._display is not None:
            self._display.end(self._done, logs)
