"""A callback that writes a log of training and serves a page of its curves."""

from __future__ import annotations

import base64
import contextlib
import os
import time
import warnings
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from lamina.core.base.processes import are_several, is_main_process
from lamina.counts import as_count
from lamina.errors import InputError, explain
from lamina.extras import extras
from lamina.training.callbacks.base import Callback, Logs, trainer_of
from lamina.training.callbacks.messages import print_message
from lamina.training.callbacks.options import as_path, check_numbers
from lamina.training.checkpoints.folders import check_folder
from lamina.training.dashboard.images import as_images, png
from lamina.training.dashboard.log import LOG_NAME, LogWriter

__all__ = ["Dashboard", "dashboard_of"]

PORT = 8100
MOST_IMAGES = 16  # of a sample


class Dashboard(Callback):
    """Writes a log of training, and serves a page with its curves on this machine only.

    ``pip install 'lamina[serve]'`` installs what it needs. The page shows losses, metrics, the
    learning rate, the rate, the time left, the ranges of gradients and of layers' outputs, and
    samples. It ends with the process; ``lamina watch`` shows the log later. Nothing that goes wrong
    with the page, the log, the ranges or the samples ends training: it is a warning, and a note on
    the page.

    Args:
        log_dir: the folder of the run, for the file ``training.jsonl``, which is appended to. None
            (default) for ``runs/`` and the time at which training begins.
        port: of the page, in [0, 65535]. If it is taken, the next free one is used; 0 is any free
            one. Default 8100. None serves no page: only the log is written.
        every: seconds, at least, between two points within an epoch. Default 1.
        ranges_every: steps, at least, between two measurements of the ranges of gradients and of
            layers' outputs. Each is one training step without an update, by a program of its own,
            on the batch of the last step. ``"epoch"`` (default) measures once an epoch; 0 never
            does, and compiles nothing. Several processes do not measure.
        samples: called as ``samples(model, epoch)`` after each epoch, whose number counts from 0.
            It returns text, an image ``[height, width]`` or ``[height, width, channels]``, several
            images ``[images, height, width, channels]``, other arrays, a list or dict of these, or
            None. Of several processes, each calls it. None (default) for no samples.

    Attributes:
        url: of the page; None if there is none.

    Raises:
        LaminaError: a package that serves the page is not installed.
        InputError: an option is invalid.
        OSError: when training begins, `log_dir` cannot be created or written to.

    >>> dashboard = Dashboard("runs/first", ranges_every=0)
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        port: int | None = PORT,
        every: float = 1.0,
        ranges_every: int | Literal["epoch"] = "epoch",
        samples: Callable[[Any, int], Any] | None = None,
    ) -> None:
        self._given = None if log_dir is None else as_path(self, "log_dir", log_dir)
        self.port = None if port is None else _port(port)
        check_numbers(self, every=every)
        self.every = every
        self.samples = samples
        self.ranges_every = ranges_every
        self._once_an_epoch = isinstance(ranges_every, str) and ranges_every == "epoch"
        self._interval = 1
        if not self._once_an_epoch:
            options: Any = {"or_else": "'epoch'", "example": "'epoch'"}
            self._interval = as_count("ranges_every", ranges_every, 0, **options)
        if samples is not None and not callable(samples):
            raise InputError(
                explain(
                    "samples of Dashboard is not callable.",
                    expected="a function (model, epoch) that returns text or arrays",
                    received=repr(samples),
                    remedy="Pass samples=lambda model, epoch: model.predict(x[:4]), for example.",
                )
            )
        self.url: str | None = None
        self._log: LogWriter | None = None
        self._is_begun = False
        self._epoch = self._steps = self._measured_at = 0
        self._written_at = 0.0
        self._last: tuple[float, int] | None = None  # the time and step of the last point
        if self.port is not None:
            with extras("The dashboard", "serve"):
                from lamina.training.dashboard import serving  # noqa: PLC0415 - needs an extra
            self._serve = serving.serve_in_thread

    def _check_setup(self) -> None:
        if is_main_process():
            self._log = LogWriter(Path(self._folder()) / LOG_NAME)
            check_folder(self._log.path.parent)

    def _folder(self) -> str:
        return self._given or os.path.join("runs", datetime.now().strftime("%Y-%m-%d_%H-%M-%S_%f"))

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._is_begun, self._last, self._written_at = False, None, 0.0
        if self._log is None or self.port is None:
            return
        folder = self._log.path.parent
        try:
            self.url = self._serve(folder, self.port)
            print_message(f"dashboard: {self.url}  (log in {folder})")
        except Exception as error:
            self._warn("The page cannot be served, but the log is written", error)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch, self._last = epoch, None
        trainer, params = trainer_of(self.model), self.params or {}
        self._steps = trainer.wait()
        if self._once_an_epoch:
            self._measured_at = -1
        if not self._is_begun:
            self._is_begun = True
            self._measured_at = -1
            about = {"model": type(self.model).__name__, "epochs": params.get("epochs")}
            counts = {"steps": params.get("steps"), "step": self._steps, "epoch": epoch}
            self._write("begin", version=1, **about, **counts)

    def on_progress(self, step: int, logs: Logs | None = None) -> None:
        now = time.perf_counter()
        if now - self._written_at < self.every:
            return
        steps = self._steps = trainer_of(self.model).wait()
        rate = None
        if self._last is not None and now > self._last[0]:
            rate = round((steps - self._last[1]) / (now - self._last[0]), 3)
        self._last, self._written_at = (now, steps), now
        total = (self.params or {}).get("steps")
        epoch = self._epoch + min(step / total, 1.0) if total else self._epoch
        self._write("step", step=steps, epoch=epoch, logs=self._with_rate(logs), rate=rate)

    def _inspect(self, steps: int, batch: Callable[[], Any]) -> None:
        is_due = self._measured_at < 0 or (
            not self._once_an_epoch and steps - self._measured_at >= self._interval
        )
        if not self._interval or not is_due or self._log is None or are_several():
            return
        began = time.perf_counter()
        self._measured_at = steps
        try:
            gradients, outputs = trainer_of(self.model).ranges(batch())
        except Exception as error:  # memory may not suffice, for example
            self._interval = 0
            self._warn("The ranges of gradients and outputs cannot be measured", error)
            return
        found = {"gradients": gradients, "outputs": outputs}
        self._write("ranges", step=steps, epoch=self._epoch, **found)
        if self._last is not None:  # the rate is that of the steps alone
            self._last = self._last[0] + time.perf_counter() - began, self._last[1]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._steps = trainer_of(self.model).wait()
        place = {"step": self._steps, "epoch": epoch + 1}
        self._write("epoch", **place, logs=self._with_rate(logs))
        if self.samples is None:
            return
        try:
            found = [*_samples("", self.samples(self.model, epoch))]
        except Exception as error:
            self._warn("The function of samples has failed", error)
            return
        for name, content in found:
            self._write("sample", **place, name=name, **content)

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._is_begun:
            self._write("end", step=self._steps, epoch=self._epoch + 1)

    def _with_rate(self, logs: Any) -> dict[str, Any]:
        values: dict[str, Any] = dict(logs or {})
        with contextlib.suppress(InputError):  # the optimizer may have none in its state
            values.setdefault("learning_rate", float(trainer_of(self.model).learning_rate))
        return values

    def _write(self, event: str, **values: Any) -> None:
        if self._log is None:
            return
        try:
            self._log.write(event, **values)
        except OSError as error:
            self._log = None
            self._warn("The log cannot be written, and is not continued", error)

    def _warn(self, what: str, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        self._write("note", text=f"{what}. {reason}")
        warnings.warn(
            explain(
                f"{what}. Training continues.",
                received=reason,
                remedy="Correct it, or train without the dashboard.",
            ),
            UserWarning,
            stacklevel=2,
        )


def dashboard_of(value: bool | int, log_dir: str | os.PathLike[str] | None) -> Dashboard | None:
    """Return the callback that the argument `dashboard` of `fit` asks for.

    Args:
        value: True, a port, or False for none.
        log_dir: the folder of the run; None for a new one.
    """
    if value is False:
        return None
    return Dashboard(log_dir, PORT if value is True else value)


def _port(port: int) -> int:
    number = as_count("port", port, low=0, example=PORT)
    if number > 65535:
        raise InputError(
            explain(
                "port of Dashboard is not valid.",
                expected="a port, in [0, 65535]",
                received=repr(port),
                remedy=f"Pass port={PORT}, or omit it.",
            )
        )
    return number


def _samples(name: str, value: Any) -> list[tuple[str, dict[str, str]]]:
    """Return the names and contents of samples, as the log holds them."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        items = [(str(key), one) for key, one in cast("Mapping[Any, Any]", value).items()]
    elif isinstance(value, list | tuple):
        items = [(str(key), one) for key, one in enumerate(cast("list[Any]", value))]
    else:
        if isinstance(value, str):
            return [(name, {"text": value})]
        images = as_images(value) if hasattr(value, "dtype") else None
        if images is None:
            text = np.array2string(np.asarray(value)) if hasattr(value, "dtype") else str(value)
            return [(name, {"text": text})]
        return [
            (f"{name} {index}".strip() if len(images) > 1 else name, {"png": _base64(image)})
            for index, image in enumerate(images[:MOST_IMAGES])
        ]
    return [s for key, one in items for s in _samples(f"{name} {key}".strip(), one)]


def _base64(image: np.ndarray) -> str:
    return base64.b64encode(png(image)).decode()
