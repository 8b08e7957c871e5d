"""`tf.keras.utils`: conversion of labels and sequences to NumPy arrays."""

from __future__ import annotations

from collections import abc
from typing import Any

import numpy as np

import lamina
from lamina import narrowing
from lamina.compat.tf.missing import missing
from lamina.errors import InputError, explain

__all__ = [
    "PyDataset",
    "Sequence",
    "deserialize_keras_object",
    "pad_sequences",
    "serialize_keras_object",
    "set_random_seed",
    "to_categorical",
]

serialize_keras_object = lamina.serialize
deserialize_keras_object = lamina.deserialize


class PyDataset:
    """Base class of data that are read batch by batch; `fit`, `evaluate` and `predict` accept it.

    A subclass defines ``__len__``, the number of batches, and ``__getitem__(index)``, which returns
    a batch ``(inputs, labels)`` or ``(inputs, labels, sample_weights)``. ``on_epoch_begin`` and
    ``on_epoch_end`` are called around each pass.

    Args:
        workers: has no effect: batches are read in one thread, ahead of the step that uses them.
        use_multiprocessing: has no effect.
        max_queue_size: has no effect.

    >>> class Squares(PyDataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, index):
    ...         return np.full((4, 1), index), np.full((4, 1), index**2)
    >>> model = lamina.Sequential([lamina.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> len(model.fit(Squares(), epochs=2, verbose=0).epoch)
    2
    """

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__(self, index).")

    @property
    def num_batches(self) -> int | None:
        """The number of batches in a pass; None if it is unknown."""
        return len(self) if isinstance(self, abc.Sized) else None

    def on_epoch_begin(self) -> None:
        """Called before each pass."""

    def on_epoch_end(self) -> None:
        """Called after each pass."""


Sequence = PyDataset


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """One-hot vectors of integer labels: ``[...]`` or ``[..., 1]`` to ``[..., num_classes]``.

    Args:
        x: integer labels.
        num_classes: number of classes. Default: the largest label + 1.

    Raises:
        InputError: a label is not in [0, num_classes).

    >>> to_categorical([0, 2]).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    labels = np.asarray(x).astype(int)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    count = int(labels.max(initial=-1)) + 1 if num_classes is None else num_classes
    if labels.size and not 0 <= labels.min() <= labels.max() < count:
        raise InputError(
            explain(
                "to_categorical received a label out of range.",
                expected=f"labels in [0, {count})",
                received=f"labels from {labels.min()} to {labels.max()}",
                remedy="Set num_classes to the largest label + 1.",
            )
        )
    return np.eye(count)[labels]


def pad_sequences(
    sequences: abc.Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Pad sequences to one array ``[count, maxlen, ...]``.

    Args:
        sequences: sequences of numbers, or of arrays with equal shapes.
        maxlen: length of all rows. Default: the longest sequence.
        dtype: dtype of the array. Default: int32.
        padding: side of the padding, `"pre"` or `"post"`. Default: `"pre"`.
        truncating: side where long sequences are truncated, `"pre"` or `"post"`. Default: `"pre"`.
        value: padding value. Default: 0.

    Raises:
        InputError: a side is not `"pre"` or `"post"`, or an integer does not fit into the dtype.

    >>> pad_sequences([[1], [2, 3, 4]], maxlen=2, padding="post").tolist()
    [[1, 0], [3, 4]]
    """
    for name, side in (("padding", padding), ("truncating", truncating)):
        if side not in ("pre", "post"):
            raise InputError(
                explain(
                    f"pad_sequences received an invalid {name}.",
                    expected="'pre' or 'post'",
                    received=repr(side),
                    remedy="Omit it for the default, 'pre'.",
                )
            )
    rows = [np.asarray(sequence) for sequence in sequences]
    length = max(map(len, rows), default=0) if maxlen is None else maxlen
    inner = next((row.shape[1:] for row in rows if len(row)), ())
    other = next((row.shape[1:] for row in rows if len(row) and row.shape[1:] != inner), None)
    if other is not None:
        raise InputError(
            explain(
                "pad_sequences received elements of different shapes.",
                expected=f"the shape of the first, {inner}",
                received=str(other),
                remedy="Pass sequences of numbers, or of arrays with equal shapes.",
            )
        )
    padded = np.full((len(rows), length, *inner), value, dtype)
    for target, row in zip(padded, rows, strict=True):
        kept = row[max(0, len(row) - length) :] if truncating == "pre" else row[:length]
        narrowing.check(kept, "A sequence", dtype=padded.dtype)
        if len(kept):
            target[slice(-len(kept), None) if padding == "pre" else slice(len(kept))] = kept
    return padded


def set_random_seed(seed: int) -> None:
    """Set the random seeds of Lamina and NumPy."""
    lamina.set_seed(seed)
    np.random.seed(seed)


def __getattr__(name: str) -> Any:
    raise missing("tf.keras.utils", name, __all__)
