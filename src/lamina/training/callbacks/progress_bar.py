"""The display of progress: a live bar, or one line for an epoch or another pass over data."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

import jax
import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from lamina.training.callbacks.messages import encodable

__all__ = ["Display"]


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} steps/s", style="progress.data.speed")


class Display:
    """Displays the steps, their rate, the remaining time, the loss and the metrics.

    Args:
        verbose: 0 for no output, 1 for a bar, 2 for one line a pass, `"auto"` for a bar in a
            terminal and lines elsewhere.
        console: None for standard output.
    """

    def __init__(self, verbose: int | str | bool = "auto", console: Console | None = None) -> None:
        self._console = console or Console()
        mode = (1 if self._console.is_terminal else 2) if verbose == "auto" else int(verbose)
        self._lines = mode == 2
        self._label = ""
        self._started = 0.0
        self._progress: Progress | None = None
        if mode == 1:
            self._progress = Progress(
                TextColumn("{task.description}", style="bold", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                _Rate(),
                TimeElapsedColumn(),
                TextColumn("<"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[logs]}", markup=False),
                console=self._console,
                refresh_per_second=5,
            )
        self._task: Any = None

    def __enter__(self) -> Display:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def begin(self, label: str, steps: int | None) -> None:
        """Begin a pass of `steps` steps, None if unknown, with a label, such as "epoch 1/3"."""
        self._started = time.perf_counter()
        self._label = label
        if self._progress is not None:
            self._task = self._progress.add_task(label, total=steps, logs="")

    @property
    def live(self) -> bool:
        """Whether steps and logs are displayed within a pass."""
        return self._progress is not None

    def update(self, steps: int, logs: Mapping[str, Any]) -> None:
        """Display the number of steps made and the logs."""
        if self._progress is not None:
            self._progress.update(self._task, completed=steps, logs=self._text(logs))

    def end(self, steps: int, logs: Mapping[str, Any]) -> None:
        """Display the logs of a whole pass."""
        if self._progress is not None:
            self._progress.update(self._task, completed=steps, total=steps, logs=self._text(logs))
        elif self._lines:
            seconds = time.perf_counter() - self._started
            rate = steps / seconds if seconds > 0 else 0.0
            line = (
                f"{self._label}  {steps} {'step' if steps == 1 else 'steps'}  {seconds:.1f} s  "
                f"{rate:,.1f} steps/s  {self._text(logs)}"
            ).rstrip()
            self._console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)

    def _text(self, logs: Mapping[str, Any]) -> str:
        """Format logs in characters that the console can encode."""
        return encodable(text(logs), self._console.encoding)


def text(logs: Mapping[str, Any]) -> str:
    """Format logs as one line.

    >>> text({"loss": 0.25, "accuracy": 1.0})
    'loss 0.2500  accuracy 1.0000'
    """
    return "  ".join(f"{name} {_number(value)}" for name, value in logs.items())


def _number(value: Any) -> str:
    if isinstance(value, np.ndarray | jax.Array | np.generic):
        value = cast(Any, value).tolist()
    if isinstance(value, list):
        return "[" + " ".join(map(_number, cast(list[Any], value))) + "]"
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    if 1e3 <= abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e3 else f"{value:.3e}"
