"""What `fit`, `evaluate` and `predict` are given, checked and brought into form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, cast

from lamina.errors import InputError, explain
from lamina.training.callbacks import BackupAndRestore
from lamina.training.checkpoints.writer import Keeper
from lamina.training.data.arrays import Arrays, check_integers, is_batches, weighted
from lamina.training.data.batch_sources import ArrayFeed, BatchFeed, Feed
from lamina.training.step.objective import unpack

__all__ = ["examples", "feed", "keeper", "positive", "training_data", "validation_data"]


def positive(**options: Any) -> None:
    """See that options are whole numbers above 0, or None.

    Raises:
        InputError: one is not.
    """
    for name, value in options.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and not (whole and value >= 1):
            raise InputError(
                explain(
                    f"{name} is not a whole number above 0.",
                    received=repr(value),
                    remedy=f"Give {name}=32, for example.",
                )
            )


def examples(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Arrays of examples, or what gives batches.

    Raises:
        InputError: the arrays do not fit together, or have integers that JAX cannot keep; or there
            are labels beside batches.
    """
    if not is_batches(x):
        for name, part in (("x", x), ("y", y), ("sample_weight", sample_weight)):
            check_integers(part, name)
        return Arrays(
            x if y is None else (x, y) if sample_weight is None else (x, y, sample_weight)
        )
    if y is not None or sample_weight is not None:
        raise InputError(_with_the_batches("y or sample_weight"))
    return x


def training_data(
    x: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Mapping[int, float] | None,
    validation_split: float,
) -> tuple[Any, Arrays | None]:
    """What is trained on, and what is split off for validation.

    Raises:
        InputError: a split or weights of classes beside batches.
    """
    data, rest = examples(x, y, sample_weight), None
    if validation_split:
        if not isinstance(data, Arrays):
            raise InputError(
                explain(
                    "validation_split needs arrays.",
                    received="an iterable of batches",
                    remedy="Pass validation_data.",
                )
            )
        data, rest = data.split(validation_split)
    if class_weight is not None:
        if not isinstance(data, Arrays):
            raise InputError(_with_the_batches("class_weight"))
        inputs, labels, weights = unpack(data.host)
        data = Arrays((inputs, labels, weighted(labels, weights, class_weight)))
    return data, rest


def validation_data(given: Any) -> Any:
    """``(x, y)``, ``(x, y, weights)``, ``x`` alone, or what gives batches."""
    if is_batches(given):
        return given
    parts: Any = tuple(cast("list[Any]", given)) if isinstance(given, list) else given
    return examples(*unpack(parts))


def feed(data: Any, batch_size: int, shuffle: bool, steps: int | None) -> Feed:
    """Where the steps come from."""
    if isinstance(data, Arrays):
        return ArrayFeed(data, batch_size, shuffle, steps)
    return BatchFeed(data, steps)


def keeper(
    callbacks: Sequence[Any],
    directory: str | PathLike[str] | None,
    every: int | None,
    keep: int,
    resume: bool,
) -> Keeper | None:
    """What keeps checkpoints, if there are to be any: as `fit` says, or a BackupAndRestore.

    Raises:
        InputError: both say so.
    """
    backups = [callback for callback in callbacks if isinstance(callback, BackupAndRestore)]
    if len(backups) + (directory is not None) > 1:
        raise InputError(
            explain(
                "Checkpoints are to be kept in two places.",
                expected="checkpoint_dir, or one BackupAndRestore",
                received=f"{len(backups)} BackupAndRestore"
                + (" and checkpoint_dir" if directory is not None else ""),
                remedy="Keep checkpoint_dir and resume=True.",
            )
        )
    for backup in backups:
        return Keeper(backup.backup_dir, backup.save_freq, backup.keep, resume=True)
    if directory is not None:
        positive(checkpoint_every=every, keep=keep)
        return Keeper(directory, every, keep, resume)
    if resume:
        raise InputError(
            explain(
                "There is nowhere to go on from.",
                expected="checkpoint_dir beside resume=True",
                received="resume=True alone",
                remedy="Say where the checkpoints are: checkpoint_dir='run'.",
            )
        )
    return None


def _with_the_batches(what: str) -> str:
    return explain(
        "Labels and weights come with the batches where x is an iterable.",
        expected="batches (inputs, labels) or (inputs, labels, weights)",
        received=f"{what} beside an iterable",
        remedy="Put them into the batches.",
    )
