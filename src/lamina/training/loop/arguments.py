"""The arguments of `fit`, `evaluate` and `predict`: checked and converted."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, cast

from lamina.core.base.pytrees import map_tree
from lamina.counts import as_count, count_or_default
from lamina.errors import InputError, explain
from lamina.training.callbacks import BackupAndRestore
from lamina.training.checkpoints.writer import CheckpointWriter
from lamina.training.data.arrays import Arrays, as_numpy, check_integers
from lamina.training.data.batch_sources import ArraySource, BatchSource
from lamina.training.data.batches import is_batch_source, unpack
from lamina.training.data.iterable_source import IterableSource
from lamina.training.data.passes import Passes
from lamina.training.loop.class_weights import ClassWeights

__all__ = [
    "batch_count",
    "batch_source",
    "checkpoint_writer",
    "examples",
    "training_data",
    "validation_data",
    "validation_epochs",
]


def validation_epochs(value: Any) -> int | tuple[int, ...]:
    """Return `validation_freq`: a number of epochs, or the numbers of epochs from 1 on.

    Raises:
        InputError: it is neither a positive integer nor a list of them.
    """
    if isinstance(value, list | tuple | set):
        numbers = list(cast("Any", value))
        return tuple(as_count("an entry of validation_freq", one, example=1) for one in numbers)
    return count_or_default("validation_freq", value, 1, example=1)


def examples(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Return :class:`Arrays` of the examples, or `x` itself if it is a source of batches.

    Raises:
        InputError: the arrays do not fit together, JAX cannot represent an integer of them, or
            there are labels or weights beside a source of batches.
    """
    if not is_batch_source(x):
        x, y, sample_weight = (map_tree(as_numpy, part) for part in (x, y, sample_weight))
        for name, part in (("x", x), ("y", y), ("sample_weight", sample_weight)):
            check_integers(part, name)
        return Arrays(
            x if y is None else (x, y) if sample_weight is None else (x, y, sample_weight)
        )
    if y is not None or sample_weight is not None:
        raise InputError(
            explain(
                "Labels and weights belong in the batches when x is an iterable.",
                expected="batches (inputs, labels) or (inputs, labels, weights)",
                received="y or sample_weight beside an iterable",
                remedy="Put them into the batches.",
            )
        )
    return x


def training_data(
    x: Any, y: Any, sample_weight: Any, validation_split: float
) -> tuple[Any, Arrays | None]:
    """Return the training data, and the validation data that are split off, or None.

    Raises:
        InputError: `validation_split` is given with a source of batches.
    """
    data = examples(x, y, sample_weight)
    if not validation_split:
        return data, None
    if not isinstance(data, Arrays):
        raise InputError(
            explain(
                "validation_split needs arrays.",
                received="an iterable of batches",
                remedy="Pass validation_data.",
            )
        )
    return data.split(validation_split)


def validation_data(data: Any) -> Any:
    """Convert ``(x, y)``, ``(x, y, sample_weight)``, ``x``, or a source of batches.

    Returns:
        :class:`Arrays`, or :class:`Passes` over the source.
    """
    if is_batch_source(data):
        return Passes(data)
    parts: Any = tuple(cast("list[Any]", data)) if isinstance(data, list) else data
    return examples(*unpack(parts))


def batch_source(
    data: Any,
    batch_size: int | None,
    shuffle: bool,
    steps: int | None,
    class_weights: ClassWeights | None = None,
) -> BatchSource:
    """Return the source of the batches of `fit`.

    Raises:
        InputError: the class weights do not fit the labels of arrays.
    """
    if not isinstance(data, Arrays):
        return IterableSource(data, steps, class_weights)
    if class_weights is not None:
        data = Arrays(class_weights(data.host))
    return ArraySource(data, data.batch_size(batch_size, steps), shuffle, steps)


def batch_count(data: Any, batch_size: int | None, steps: int | None) -> int | None:
    """Return the number of batches of `evaluate` and `predict`; None if the data determine it.

    >>> import numpy as np
    >>> batch_count(Arrays(np.zeros(10)), 4, None), batch_count(iter([]), 4, 2)
    (3, 2)
    """
    if isinstance(data, Arrays):
        whole = -(-data.count // data.batch_size(batch_size, steps))
        return whole if steps is None else min(steps, whole)
    return steps


def checkpoint_writer(
    callbacks: Sequence[Any],
    directory: str | PathLike[str] | None,
    every: int | None,
    keep: int,
    resume: bool,
) -> CheckpointWriter | None:
    """Return the writer that the arguments of `fit` or a :class:`BackupAndRestore` ask for.

    Raises:
        InputError: both ask for one, or `resume` is given without a directory.
    """
    backups = [callback for callback in callbacks if isinstance(callback, BackupAndRestore)]
    if len(backups) + (directory is not None) > 1:
        raise InputError(
            explain(
                "Checkpoints would be written to two places.",
                expected="checkpoint_dir, or one BackupAndRestore",
                received=f"{len(backups)} BackupAndRestore"
                + (" and checkpoint_dir" if directory is not None else ""),
                remedy="Keep checkpoint_dir and resume=True.",
            )
        )
    for backup in backups:
        return CheckpointWriter(backup.backup_dir, backup.save_freq, backup.keep, resume=True)
    if directory is not None:
        every = count_or_default("checkpoint_every", every, None)
        return CheckpointWriter(directory, every, as_count("keep", keep), resume)
    if resume:
        raise InputError(
            explain(
                "There is no folder to resume from.",
                expected="checkpoint_dir together with resume=True",
                received="resume=True alone",
                remedy="Pass the folder of the checkpoints: checkpoint_dir='run'.",
            )
        )
    return None
