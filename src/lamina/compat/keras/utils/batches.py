"""Data that are read batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from lamina.compat.keras.utils.arguments import wrong
from lamina.compat.tf.keras.utils import PyDataset

__all__ = ["Batches"]

_tree: Any = jax.tree


class Batches(PyDataset):
    """Batches of numbered elements; `fit`, `evaluate` and `predict` accept it.

    It has the methods of data sets that programs call most: `map`, `batch`, `unbatch`, `shuffle`,
    `take`, `skip`, `cache`, `prefetch`. ``class_names`` and ``file_paths`` are set by the functions
    that read folders.

    Args:
        read: returns a batch for an array of numbers of elements.
        order: the numbers of the elements, in order.
        batch_size: the number of elements in a batch; None for single elements.
        shuffle: whether each pass has another order. Default False.
        seed: int, the seed of the orders. Default None: a random one.

    >>> squares = Batches(lambda rows: rows**2, np.arange(5), 2)
    >>> [batch.tolist() for batch in squares.map(lambda x: -x)]
    [[0, -1], [-4, -9], [-16]]
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
        self.shuffle_each, self.random = shuffle, np.random.default_rng(seed)
        self.start, self.end = 0, -(-len(order) // (batch_size or 1))

    def __len__(self) -> int:
        return self.end - self.start

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        size = self.batch_size or 1
        first = (self.start + index) * size
        batch = self.read(self.order[first : first + size])
        if self.batch_size is not None:
            return batch
        return _tree.map(_first, batch)

    def __iter__(self) -> Iterator[Any]:
        for index in range(len(self)):
            yield self[index]
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Shuffle the elements."""
        if self.shuffle_each:
            self.random.shuffle(self.order)

    def _part(self, batch_size: int | None) -> Batches:
        """The elements that are left by `take` and `skip`, in batches of another size."""
        size = self.batch_size or 1
        order = self.order[self.start * size : self.end * size].copy()
        made = Batches(self.read, order, batch_size, self.shuffle_each)
        made.random = self.random
        made.class_names, made.file_paths = self.class_names, self.file_paths
        return made

    def _like(self, read: Callable[[np.ndarray], Any]) -> Batches:
        made = Batches(read, self.order.copy(), self.batch_size, self.shuffle_each)
        made.random, made.start, made.end = self.random, self.start, self.end
        made.class_names, made.file_paths = self.class_names, self.file_paths
        return made

    def map(self, function: Callable[..., Any], num_parallel_calls: Any = None) -> Batches:
        """Apply a function to each batch, or to each element of a set without batches.

        Args:
            function: the function; the parts of a tuple are its arguments.
            num_parallel_calls: has no effect.
        """

        def applied(batch: Any) -> Any:
            return function(*batch) if isinstance(batch, tuple) else function(batch)

        def read(rows: np.ndarray) -> Any:
            if self.batch_size is not None:
                return applied(self.read(rows))
            singles = (self.read(rows[at : at + 1]) for at in range(len(rows)))
            return _tree.map(_stacked, *[applied(_tree.map(_first, one)) for one in singles])

        return self._like(read)

    def batch(
        self, batch_size: int, drop_remainder: bool = False, num_parallel_calls: Any = None
    ) -> Batches:
        """The single elements as batches.

        Args:
            batch_size: the number of elements in a batch.
            drop_remainder: whether a smaller last batch is left out. Default False.
            num_parallel_calls: has no effect.

        Raises:
            InputError: the elements are batches already.
        """
        if self.batch_size is not None:
            raise wrong(
                "The data set has batches already.",
                "single elements",
                f"batches of {self.batch_size}",
                "Leave out batch, or call unbatch first.",
            )
        made = self._part(batch_size)
        if drop_remainder:
            made.end = len(made.order) // batch_size
        return made

    def unbatch(self) -> Batches:
        """The elements of the batches, one by one."""
        return self._part(None)

    def shuffle(
        self, buffer_size: Any = None, seed: int | None = None, reshuffle_each_iteration: Any = None
    ) -> Batches:
        """The elements in another order in each pass; those of all batches are mixed.

        Args:
            buffer_size: has no effect: all elements are shuffled.
            seed: int, the seed of the orders. Default None: a random one.
            reshuffle_each_iteration: has no effect: each pass has another order.
        """
        made = self._part(self.batch_size)
        made.shuffle_each, made.random = True, np.random.default_rng(seed)
        made.on_epoch_end()
        return made

    def take(self, count: int) -> Batches:
        """The first batches.

        Args:
            count: their number.
        """
        made = self._like(self.read)
        made.end = min(made.end, made.start + count)
        return made

    def skip(self, count: int) -> Batches:
        """The batches after the first.

        Args:
            count: the number of those left out.
        """
        made = self._like(self.read)
        made.start = min(made.end, made.start + count)
        return made

    def cache(self) -> Batches:
        """The data set itself: files are read in each pass."""
        return self

    def prefetch(self, buffer_size: Any = None) -> Batches:
        """The data set itself: `fit` reads ahead.

        Args:
            buffer_size: has no effect.
        """
        return self


def _first(part: Any) -> Any:
    return part[0]


def _stacked(*parts: Any) -> np.ndarray:
    return np.stack(parts)
