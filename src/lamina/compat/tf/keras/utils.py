"""`tf.keras.utils`: what prepares labels and sentences as arrays, on NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import lamina
from lamina import narrowing
from lamina.compat.tf.missing import missing
from lamina.errors import InputError, explain

__all__ = ["pad_sequences", "set_random_seed", "to_categorical"]


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """Class numbers as one-hot rows: ``[...]``, or ``[..., 1]``, to ``[..., num_classes]``.

    Raises:
        InputError: a number is below 0, or not below `num_classes`.

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
                "to_categorical got a number that is no class.",
                expected=f"0 <= number < {count}",
                received=f"numbers from {labels.min()} to {labels.max()}",
                remedy="Give num_classes one more than the largest number.",
            )
        )
    return np.eye(count)[labels]


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Sequences of any lengths as one array ``[count, maxlen, ...]``.

    Args:
        sequences: of numbers, or of arrays of one shape.
        maxlen: the length of all; that of the longest if None.
        dtype: of the array.
        padding: `"pre"` or `"post"`: where short ones are filled up.
        truncating: `"pre"` or `"post"`: where long ones are cut.
        value: what they are filled up with.

    Raises:
        InputError: a side is neither of the two, or an integer does not fit into the dtype.

    >>> pad_sequences([[1], [2, 3, 4]], maxlen=2, padding="post").tolist()
    [[1, 0], [3, 4]]
    """
    for name, side in (("padding", padding), ("truncating", truncating)):
        if side not in ("pre", "post"):
            raise InputError(
                explain(
                    f"pad_sequences got a bad {name}.",
                    expected="'pre' or 'post'",
                    received=repr(side),
                    remedy="Leave it out for 'pre'.",
                )
            )
    rows = [np.asarray(sequence) for sequence in sequences]
    length = max(map(len, rows), default=0) if maxlen is None else maxlen
    inner = next((row.shape[1:] for row in rows if len(row)), ())
    padded = np.full((len(rows), length, *inner), value, dtype)
    for target, row in zip(padded, rows, strict=True):
        kept = row[max(0, len(row) - length) :] if truncating == "pre" else row[:length]
        narrowing.check(kept, "A sequence", dtype=padded.dtype)
        if len(kept):
            target[slice(-len(kept), None) if padding == "pre" else slice(len(kept))] = kept
    return padded


def set_random_seed(seed: int) -> None:
    """Fix what layers draw from here on, and NumPy's own numbers."""
    lamina.set_seed(seed)
    np.random.seed(seed)


def __getattr__(name: str) -> Any:
    raise missing("tf.keras.utils", name, __all__)
