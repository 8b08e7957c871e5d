"""Parts of data, and windows of series."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import jax
import numpy as np

from lamina.compat.keras.utils.arguments import wrong
from lamina.compat.keras.utils.batches import Batches

__all__ = ["split_dataset", "timeseries_dataset_from_array"]

_tree: Any = jax.tree


def split_dataset(
    dataset: Any,
    left_size: float | None = None,
    right_size: float | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Batches, Batches]:
    """Split data into two parts.

    Args:
        dataset: an array, a tuple, list or dict of arrays with the same first axis, or an iterable
            of elements, which are read at once.
        left_size: the size of the first part: a number of elements, or a fraction of them. Default
            None: what the second leaves.
        right_size: the size of the second part. Default None: what the first leaves.
        shuffle: whether the elements are shuffled before. Default False.
        seed: the seed of the order. Default None.
        preferred_backend: has no effect.

    Returns:
        Two data sets of single elements.

    Raises:
        InputError: the sizes do not fit.

    >>> left, right = split_dataset(np.arange(10), left_size=0.7)
    >>> len(left), list(map(int, right))
    (7, [7, 8, 9])
    """
    arrays = _arrays(dataset)
    count = len(_tree.leaves(arrays)[0])
    left, right = (_size(size, count) for size in (left_size, right_size))
    if left is None and right is None:
        received = "left_size=None and right_size=None"
        raise wrong("split_dataset has no size.", "a size", received, "Pass left_size.")
    left = count - cast(int, right) if left is None else left
    right = count - left if right is None else right
    if left < 0 or right < 0 or left + right > count:
        raise wrong(
            "The sizes of split_dataset do not fit.",
            f"two parts of {count} elements",
            f"{left} and {right}",
            "Pass fractions between 0 and 1, or smaller numbers.",
        )
    order = np.arange(count)
    if shuffle:
        np.random.default_rng(seed).shuffle(order)

    def read(rows: np.ndarray) -> Any:
        def part(array: np.ndarray) -> np.ndarray:
            return array[rows]

        return _tree.map(part, arrays)

    return Batches(read, order[:left], None), Batches(read, order[left : left + right], None)


def _arrays(dataset: Any) -> Any:
    if isinstance(dataset, np.ndarray | jax.Array):
        return np.asarray(cast(Any, dataset))
    if type(dataset) in (dict, tuple, list):
        found, structure = _tree.flatten(dataset)
        leaves = [np.asarray(leaf) for leaf in found]
        if leaves and all(leaf.ndim and len(leaf) == len(leaves[0]) for leaf in leaves):
            return _tree.unflatten(structure, leaves)
    elements = list(cast("Iterable[Any]", dataset))

    def stacked(*parts: Any) -> np.ndarray:
        return np.stack(parts)

    return _tree.map(stacked, *elements)


def _size(size: float | None, count: int) -> int | None:
    if isinstance(size, float):
        return round(size * count)
    return size


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> Batches:
    """Windows of a series, and a target for each.

    Args:
        data: ``[time, ...]``.
        targets: the target of the window that begins at each step; None for windows alone.
        sequence_length: the number of steps of a window.
        sequence_stride: the distance between the beginnings of windows. Default 1.
        sampling_rate: the distance between the steps of a window. Default 1.
        batch_size: windows in a batch. Default 128; None: single windows.
        shuffle: whether the windows are shuffled, anew in each pass. Default False.
        seed: the seed of the order. Default None.
        start_index: the first step that is used. Default None: 0.
        end_index: the step after the last that is used. Default None: the length.
        format: has no effect.

    Returns:
        `Batches` of ``[batch, sequence_length, ...]``, with targets if there are any.

    Raises:
        InputError: an argument is out of range.

    >>> windows = timeseries_dataset_from_array(np.arange(6), np.arange(6) * 10, 3)
    >>> [part.tolist() for part in windows[0]]
    [[[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]], [0, 10, 20, 30]]
    """
    series = np.asarray(data)
    start, end = start_index or 0, len(series) if end_index is None else end_index
    for name, value, limit in (
        ("sequence_length", sequence_length, len(series) + 1),
        ("sequence_stride", sequence_stride, len(series)),
        ("sampling_rate", sampling_rate, len(series)),
        ("start_index", start + 1, len(series) + 1),
        ("end_index", end - start, len(series) - start + 1),
    ):
        if not 0 < value < limit:
            raise wrong(
                f"timeseries_dataset_from_array received an invalid {name}.",
                f"a number that fits {len(series)} steps",
                f"{name}={value}",
                "Pass a smaller positive number.",
            )
    series = series[start:end]
    labels = None if targets is None else np.asarray(targets)[start:end]
    count = len(series) - (sequence_length - 1) * sampling_rate
    count = count if labels is None else min(count, len(labels))
    order = np.arange(0, max(count, 0), sequence_stride)
    if shuffle:
        np.random.RandomState(seed).shuffle(order)
    steps = np.arange(sequence_length) * sampling_rate

    def read(rows: np.ndarray) -> Any:
        windows = series[rows[:, None] + steps]
        return windows if labels is None else (windows, labels[rows])

    return Batches(read, order, batch_size, shuffle, seed)
