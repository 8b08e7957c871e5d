"""Data that are read batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from lamina.compat.tf.keras.utils import PyDataset
from lamina.errors import InputError, explain

__all__ = ["Array", "Batches"]

_tree: Any = jax.tree


class Array(np.ndarray):
    """A NumPy array of a data set. Programs that expect tensors call `numpy` on it and its numbers.

    >>> labels = np.arange(3).view(Array)
    >>> labels.numpy().tolist(), int(labels[1].numpy())
    ([0, 1, 2], 1)
    """

    def numpy(self) -> Any:
        """The array without this class."""
        return self.view(np.ndarray)[()]

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return found if isinstance(found, str | bytes) else np.asarray(found).view(Array)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self.item())  # of a single number; else an error


class Batches(PyDataset):
    """Batches of numbered elements; `fit`, `evaluate` and `predict` accept it.

    It has the methods of data sets that programs call most: `map`, `shuffle`, `batch`, `unbatch`,
    `rebatch`, `take`, `skip`, `concatenate`, `repeat`, `cache`, `prefetch`, `cardinality` and
    `as_numpy_iterator`. Each returns a data set with an order of its own. ``class_names`` and
    ``file_paths`` are set by the functions that read folders.

    Args:
        read: returns a batch for an array of numbers of elements.
        order: the numbers of the elements, in order.
        batch_size: the number of elements in a batch; None for single elements.
        shuffle: whether each pass has another order. Default False.
        seed: int, the seed of the orders. Default None: a random one.

    >>> squares = Batches(lambda rows: rows**2, np.arange(5), 2)
    >>> [batch.tolist() for batch in squares.map(lambda x: -x)]
    [[0, -1], [-4, -9], [-16]]
    >>> [batch.tolist() for batch in squares.rebatch(3)]
    [[0, 1, 4], [9, 16]]
    """

    class_names: list[str] | None = None
    file_paths: list[str] | None = None

    def __init__(
        self,
        read: Callable[[np.ndarray], Any],
        order: np.ndarray,
        batch_size: int | None,
        shuffle: bool = False,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.read, self.order, self.batch_size = read, order, batch_size
        self.reorders, self.random = shuffle, np.random.default_rng(seed)

    def __len__(self) -> int:
        return -(-len(self.order) // (self.batch_size or 1))

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return _tree.map(_array, self._element(index))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            explain(
                f"A data set has no {name}.",
                expected="map, shuffle, batch, unbatch, rebatch, take, skip, concatenate, repeat, "
                "cache, prefetch, cardinality or as_numpy_iterator",
                received=name,
                remedy="Write a keras.utils.PyDataset, or a generator of batches, for fit.",
            )
        )

    def __iter__(self) -> Iterator[Any]:
        for index in range(len(self)):
            yield self[index]
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Shuffle the elements."""
        if self.reorders:
            self.random.shuffle(self.order)

    def _element(self, index: int) -> Any:
        size = self.batch_size or 1
        batch = self.read(self.order[index * size : (index + 1) * size])
        return batch if self.batch_size is not None else _row(batch, 0)

    def _copy(self) -> Batches:
        copied = Batches(self.read, self.order.copy(), self.batch_size, self.reorders)
        copied.random = self.random
        return _with_names(copied, self)

    def map(self, function: Callable[..., Any], num_parallel_calls: Any = None) -> Batches:
        """Apply a function to each batch; one of several parts is several arguments.

        Args:
            function: the function.
            num_parallel_calls: has no effect.
        """

        def mapped(source: Batches, index: int) -> Any:
            element = source[index]
            return function(*element) if isinstance(element, tuple) else function(element)

        return _View(self, len(self), mapped)

    def shuffle(
        self,
        buffer_size: Any = None,
        seed: int | None = None,
        reshuffle_each_iteration: bool = True,
    ) -> Batches:
        """The batches in a random order.

        Args:
            buffer_size: has no effect: all batches are shuffled.
            seed: the seed of the order. Default None.
            reshuffle_each_iteration: whether each pass has another order. Default True.
        """
        order = np.arange(len(self))
        random = np.random.default_rng(seed)
        random.shuffle(order)
        source = self._copy()

        def read(rows: np.ndarray) -> Any:
            return _tree.map(_one_row, source[int(rows[0])])

        made = Batches(read, order, None, reshuffle_each_iteration)
        made.random = random
        return _with_names(made, self)

    def take(self, count: int) -> Batches:
        """The first batches.

        Args:
            count: their number; -1 for all.
        """
        length = len(self) if count < 0 else min(count, len(self))
        return _View(self, length, lambda source, index: source[index])

    def skip(self, count: int) -> Batches:
        """The batches after the first.

        Args:
            count: the number of those left out.
        """
        return _View(self, max(len(self) - count, 0), lambda source, index: source[index + count])

    def repeat(self, count: int | None = None) -> Batches:
        """The batches several times.

        Args:
            count: the number of times.

        Raises:
            InputError: `count` is None or -1, which is without an end.
        """
        if count is None or count < 0:
            raise InputError(
                explain(
                    "A data set cannot be repeated without an end.",
                    expected="a number of times",
                    received=f"repeat({count})",
                    remedy="Leave repeat() out: fit repeats the data for the next epoch.",
                )
            )
        length = len(self)
        return _View(self, length * count, lambda source, index: source[index % length])

    def concatenate(self, dataset: Any) -> Batches:
        """The batches, and then those of another data set.

        Args:
            dataset: the other data set.
        """
        first, then = len(self), dataset

        def element(source: Batches, index: int) -> Any:
            return source[index] if index < first else then[index - first]

        return _View(self, first + len(then), element)

    def batch(self, batch_size: int, drop_remainder: bool = False, **options: Any) -> Batches:
        """Stack elements to batches.

        Args:
            batch_size: the number of elements in a batch.
            drop_remainder: whether a smaller last batch is left out. Default False.
            **options: have no effect.
        """
        count = len(self)
        length = count // batch_size if drop_remainder else -(-count // batch_size)

        def stacked(source: Batches, index: int) -> Any:
            last = min((index + 1) * batch_size, count)
            elements = [source[at] for at in range(index * batch_size, last)]
            return _tree.map(_stack, *elements)

        return _View(self, length, stacked)

    def unbatch(self) -> Batches:
        """The elements of the batches, one by one. All batches but the last have equal sizes."""
        return _Elements(self)

    def rebatch(self, batch_size: int, drop_remainder: bool = False) -> Batches:
        """Batches of another size.

        Args:
            batch_size: the number of elements in a batch.
            drop_remainder: whether a smaller last batch is left out. Default False.
        """
        return self.unbatch().batch(batch_size, drop_remainder)

    def cache(self, filename: Any = "") -> Batches:
        """The data set itself: files are read in each pass.

        Args:
            filename: has no effect.
        """
        return self

    def prefetch(self, buffer_size: Any = None) -> Batches:
        """The data set itself: `fit` reads ahead.

        Args:
            buffer_size: has no effect.
        """
        return self

    def cardinality(self) -> Array:
        """The number of batches."""
        return np.asarray(len(self)).view(Array)

    def as_numpy_iterator(self) -> Iterator[Any]:
        """The batches as plain NumPy arrays."""
        return (_tree.map(Array.numpy, batch) for batch in self)


class _View(Batches):
    """Elements made from those of another data set.

    Args:
        source: the other data set, of which the view has a copy.
        length: the number of elements.
        make: returns an element of the copy and a number.
    """

    def __init__(self, source: Batches, length: int, make: Callable[[Batches, int], Any]) -> None:
        PyDataset.__init__(self)
        self.source, self.length, self.make = source._copy(), length, make
        _with_names(self, source)

    def __len__(self) -> int:
        return self.length

    def _element(self, index: int) -> Any:
        return self.make(self.source, index)

    def _copy(self) -> Batches:
        return _View(self.source, self.length, self.make)

    def on_epoch_end(self) -> None:
        self.source.on_epoch_end()


class _Elements(Batches):
    """The rows of the batches of another data set, which has a copy. One batch is kept."""

    def __init__(self, source: Batches) -> None:
        PyDataset.__init__(self)
        self.source = source._copy()
        count = len(source)
        self.size = _rows(source[0]) if count else 1
        self.length = (count - 1) * self.size + _rows(source[count - 1]) if count else 0
        self.kept: tuple[int, Any] | None = None
        _with_names(self, source)

    def __len__(self) -> int:
        return self.length

    def _element(self, index: int) -> Any:
        number, row = divmod(index, self.size)
        kept = self.kept
        if kept is None or kept[0] != number:
            self.kept = kept = number, self.source[number]
        return _row(kept[1], row)

    def _copy(self) -> Batches:
        return _Elements(self.source)

    def on_epoch_end(self) -> None:
        self.kept = None
        self.source.on_epoch_end()


def _with_names(made: Batches, source: Batches) -> Batches:
    made.class_names, made.file_paths = source.class_names, source.file_paths
    return made


def _array(part: Any) -> Any:
    return np.asarray(part).view(Array)


def _one_row(part: Any) -> Any:
    return np.asarray(part)[None]


def _row(batch: Any, index: int) -> Any:
    def row(part: Any) -> Any:
        return part[index]

    return _tree.map(row, batch)


def _rows(batch: Any) -> int:
    return len(_tree.leaves(batch)[0])


def _stack(*parts: Any) -> np.ndarray:
    return np.stack([np.asarray(part) for part in parts])
