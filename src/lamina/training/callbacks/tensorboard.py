"""A callback that writes event files of TensorBoard."""

from __future__ import annotations

import contextlib
import importlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import jax
import numpy as np

from lamina.core.base.processes import is_main_process, to_host
from lamina.counts import as_count
from lamina.errors import InputError, LaminaError, explain
from lamina.training.callbacks.base import Callback, trainer_of
from lamina.training.callbacks.options import as_path, check_unsupported, save_frequency
from lamina.training.checkpoints.folders import check_folder
from lamina.training.checkpoints.schema import Schema, is_count

__all__ = ["TensorBoard"]


class TensorBoard(Callback):
    """Writes logs as event files of TensorBoard, which is needed: ``pip install tensorboard``.

    Logs that are no numbers are not written.

    Args:
        log_dir: the folder for ``tensorboard --logdir``; it gets subfolders ``train`` and
            ``validation``.
        histogram_freq: the number of epochs between histograms of the weights; 0 (default) for
            none.
        write_graph: accepted as in Keras; no graph is written.
        write_images: not supported.
        write_steps_per_second: whether to write the number of steps per second in each epoch, and
            for each batch if `update_freq` is not `"epoch"`; False by default.
        update_freq: `"epoch"` (default), `"batch"`, or a number of batches. With batches, steps
            are run one at a time.
        profile_batch: the number of a batch, from 1, or the first and last one, to profile with
            `jax.profiler`; 0 (default) for none. With it, steps are run one at a time.
        embeddings_freq: not supported.
        embeddings_metadata: not supported.

    Raises:
        LaminaError: TensorBoard is not installed.
        InputError: an option is invalid or not supported.
        OSError: when training begins, `log_dir` cannot be created or written to.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: int | str | Sequence[int] = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        no_embeddings = "Omit it; write model.get_weights() for the projector of TensorBoard."
        check_unsupported(
            self,
            write_images=(write_images, "Omit it; histogram_freq=1 writes histograms of weights."),
            embeddings_freq=(embeddings_freq, no_embeddings),
            embeddings_metadata=(embeddings_metadata, no_embeddings),
        )
        self.log_dir = Path(as_path(self, "log_dir", log_dir))
        self.histogram_freq = as_count("histogram_freq", histogram_freq, 0, example=1)
        self.write_graph = write_graph
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = save_frequency(
            cast(Any, 1 if update_freq == "batch" else update_freq), "update_freq"
        )
        self._profiled = _first_and_last(profile_batch)
        self._modules = _tensorboard()
        self._writers: dict[str, Any] = {}
        self._steps = self._steps_before = 0
        self._started = self._epoch_started = 0.0
        self._profiles = False
        if self.update_freq is not None or self._profiled[1]:
            self.on_train_batch_begin = self._before_batch
            self.on_train_batch_end = self._after_batch

    def _check_setup(self) -> None:
        check_folder(self.log_dir)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._steps = 0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self.write_steps_per_second:
            self._steps_before = trainer_of(self.model).wait()
            self._epoch_started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        values = dict(logs or {})
        trainer = trainer_of(self.model)
        if self.write_steps_per_second:
            seconds = time.perf_counter() - self._epoch_started
            values["steps_per_second"] = (trainer.wait() - self._steps_before) / seconds
        with contextlib.suppress(InputError):  # the optimizer may have none in its state
            values.setdefault("learning_rate", trainer.learning_rate)
        for name, value in values.items():
            folder = "validation" if name.startswith("val_") else "train"
            self._write(folder, f"epoch_{name.removeprefix('val_')}", value, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for path, value in self.model.values().items():
                self._write_histogram(f"{path.replace('.', '/')}/histogram", value, epoch)
        self._flush()

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        iterations = trainer_of(self.model).wait()
        for name, value in (logs or {}).items():
            self._write("validation", f"evaluation_{name}_vs_iterations", value, iterations)
        self._flush()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._stop_profile()
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _before_batch(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._steps += 1
        if self._steps == self._profiled[0]:
            trainer_of(self.model).wait()
            jax.profiler.start_trace(self.log_dir / "train")
            self._profiles = True
        self._started = time.perf_counter()

    def _after_batch(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self.update_freq is not None and self._steps % self.update_freq == 0:
            values = dict(logs or {})
            if self.write_steps_per_second:
                values["steps_per_second"] = 1.0 / (time.perf_counter() - self._started)
            for name, value in values.items():
                self._write("train", f"batch_{name}", value, self._steps)
        if self._steps >= self._profiled[1]:
            self._stop_profile()

    def _stop_profile(self) -> None:
        if self._profiles:
            trainer_of(self.model).wait()
            jax.profiler.stop_trace()
            self._profiles = False

    def _write(self, folder: str, tag: str, value: Any, step: int) -> None:
        try:
            number = float(value)
        except (TypeError, ValueError):  # text, or a list
            return
        _, _, summaries, _ = self._modules
        one = summaries.Summary.Value(tag=tag, simple_value=number)
        self._add(folder, summaries.Summary(value=[one]), step)

    def _write_histogram(self, tag: str, value: Any, step: int) -> None:
        array = np.asarray(to_host(value), np.float64)
        if array.size:
            self._add("train", self._modules[3].histogram_pb(tag, array), step)

    def _add(self, folder: str, summary: Any, step: int) -> None:
        if not is_main_process():
            return
        writing, events, _, _ = self._modules
        if folder not in self._writers:
            self._writers[folder] = writing.EventFileWriter(str(self.log_dir / folder))
        event = events.Event(wall_time=time.time(), step=step, summary=summary)
        self._writers[folder].add_event(event)

    def _flush(self) -> None:
        for writer in self._writers.values():
            writer.flush()

    _state_schema: ClassVar[Schema] = {"steps": is_count}

    def get_state(self) -> dict[str, Any]:
        return {"steps": self._steps}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self._steps = state["steps"]


def _first_and_last(batches: int | str | Sequence[int]) -> tuple[int, int]:
    """Return the first and the last batch to profile; 0 for none."""
    parts: Any = batches.split(",") if isinstance(batches, str) else batches
    try:
        listed = [*map(int, cast(Any, parts if isinstance(parts, list | tuple) else [parts]))]
        first, last = listed if len(listed) == 2 else listed * 2
        if 0 < first <= last or first == last == 0:
            return first, last
    except (TypeError, ValueError):
        pass
    raise InputError(
        explain(
            "profile_batch of TensorBoard is invalid.",
            expected="0, the number of a batch from 1, or the first and the last one",
            received=repr(batches),
            remedy="Pass profile_batch=(10, 20), for example.",
        )
    )


def _tensorboard() -> tuple[Any, Any, Any, Any]:
    names = (
        "summary.writer.event_file_writer",
        "compat.proto.event_pb2",
        "compat.proto.summary_pb2",
        "plugins.histogram.summary_v2",
    )
    try:
        writing, *others = (importlib.import_module(f"tensorboard.{name}") for name in names)
    except ImportError as error:
        raise LaminaError(
            explain(
                "The TensorBoard callback needs the package tensorboard.",
                received=str(error),
                remedy="Run pip install tensorboard, or use CSVLogger.",
            )
        ) from None
    return writing, others[0], others[1], others[2]
