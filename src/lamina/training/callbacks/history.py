"""The logs of all epochs, which `fit` returns."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, cast

from lamina import metrics
from lamina.errors import LaminaError
from lamina.lazy import lazily
from lamina.training.callbacks.base import Callback, Logs, trainer_of
from lamina.training.checkpoints import schema

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lamina import plots
else:
    plots = lazily("lamina.plots")

__all__ = ["History"]


def _is_dict_of_lists(value: Any) -> bool:
    return isinstance(value, dict) and all(map(schema.is_list, cast(Any, value).values()))


class History(Callback):
    """The logs of all epochs, which `fit` returns.

    Attributes:
        epoch: the numbers of the epochs, from 0.
        history: a list of values, one an epoch, for each log by name.

    >>> history = History()
    >>> history.on_epoch_end(0, {"loss": 0.5})
    >>> history.history
    {'loss': [0.5]}
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epoch.append(epoch)
        values: Mapping[str, float] = logs or {}
        for name, value in values.items():
            self.history.setdefault(name, []).append(value)

    def plot(self, path: str | PathLike[str] | None = None) -> Figure:
        """Plot the logs, one panel per metric, with the best epoch of each.

        A metric and its ``val_`` counterpart share a panel. A ring marks the best epoch, of the
        validation where there is one: the lowest loss, and the best value of a metric of Lamina.

        Args:
            path: output file ending in ``.svg``, ``.png`` or ``.pdf``; an existing file is
                replaced. Default None: none.

        Returns:
            A ``matplotlib.figure.Figure``, which a notebook shows.

        Raises:
            InputError: there is no epoch yet, or the path has another ending.
            ImportError: matplotlib is not installed; the error names the extra.

        >>> history = History()
        >>> history.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.6})
        >>> [axes.get_title(loc="left") for axes in history.plot().axes]
        ['loss']
        """
        names = {name.removeprefix("val_") for name in self.history}
        best = {name: better for name in names if (better := self._better(name)) is not None}
        first = self.epoch[0] + 1 if self.epoch else 1
        return plots.plot_history(self.history, path, best=best, first_epoch=first)

    def _repr_png_(self) -> Any:
        """Return the plot for a notebook; None without an epoch or without matplotlib."""
        try:
            return cast(Any, self.plot())._repr_png_()
        except (LaminaError, ImportError):
            return None

    def _better(self, name: str) -> str | None:
        """Which values of a log are better, `"min"` or `"max"`; None if it is unknown."""
        try:
            direction = trainer_of(self.model).objective.direction(name)
        except (LaminaError, AttributeError):  # of no model, or of one compiled no more
            direction = None
        if direction is None:
            try:
                direction = getattr(metrics.get(name), "direction", None)
            except LaminaError:
                direction = "down" if "loss" in name else None
        return {"down": "min", "up": "max"}.get(direction or "")

    _state_schema: ClassVar[schema.Schema] = {
        "epoch": schema.is_list,
        "history": _is_dict_of_lists,
    }

    def get_state(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "history": self.history}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self.epoch = list(state["epoch"])
        self.history = {name: list(values) for name, values in state["history"].items()}
