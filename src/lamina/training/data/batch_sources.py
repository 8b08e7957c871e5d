"""Sources of an epoch's batches: rows of arrays in memory, or an iterable of batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from lamina.errors import InputError, explain
from lamina.training.data.arrays import Arrays, batch_indices
from lamina.training.data.batches import iterate
from lamina.training.data.prefetch import Prefetched, to_device

__all__ = ["ArraySource", "BatchSource", "IterableSource", "Rows", "no_batches"]


class Rows(NamedTuple):
    """Consecutive steps on rows of arrays, to run as one program.

    Attributes:
        data: the arrays.
        indices: row numbers ``[steps, batch]``.
        first: the first step to run.
        stop: the step after the last.
    """

    data: Arrays
    indices: Any
    first: int
    stop: int


class BatchSource(ABC):
    """The batches of `fit`, epoch by epoch.

    Attributes:
        steps: the number of steps in an epoch; None if the data determine it.
    """

    steps: int | None

    @abstractmethod
    def epoch(
        self,
        order: Callable[[int], np.ndarray],
        first: int,
        most: Callable[[int], int],
    ) -> Iterator[tuple[int, int, Any]]:
        """Yield the steps of an epoch, each time after those yielded before have been run.

        Args:
            order: given the number of examples, returns their order in this epoch.
            first: the number of steps of the epoch to skip.
            most: given the number of remaining steps, returns how many to yield at once.

        Yields:
            The first step, the step after the last, both counted in the epoch, and the data:
            :class:`Rows`, or one batch.
        """

    @abstractmethod
    def batch(self, step: int) -> Any:
        """Return the batch of a recent step of the current epoch."""

    @abstractmethod
    def position(self) -> dict[str, Any]:
        """Return the position in the data, for a checkpoint."""

    @abstractmethod
    def start(self, first: int, epochs: int, position: Mapping[str, Any] | None) -> None:
        """Prepare for `epochs` epochs, of the first of which `first` steps have been run.

        Args:
            first: the number of steps already run.
            epochs: the number of epochs, including the present one.
            position: from the checkpoint to resume from, or None.

        Raises:
            InputError: the position belongs to other data.
        """

    @abstractmethod
    def release(self) -> None:
        """Drop the batches kept for :meth:`batch`."""

    @abstractmethod
    def close(self) -> None:
        """Stop prefetching."""


class ArraySource(BatchSource):
    """Rows of arrays, in a new order in each epoch if shuffled.

    Args:
        data: the arrays.
        batch_size: examples in a batch; the last batch of an epoch may be smaller.
        shuffle: whether to use a new order in each epoch.
        steps: the number of steps in an epoch; None for all examples.
    """

    def __init__(self, data: Arrays, batch_size: int, shuffle: bool, steps: int | None) -> None:
        self.data = data
        self.batch_size = batch_size
        self.shuffle = shuffle
        whole = -(-data.count // batch_size)
        self._steps = whole if steps is None else min(steps, whole)
        self.steps = self._steps
        self._rows = np.arange(0)

    def example_batch(self) -> Any:
        """Return a batch with the shapes and dtypes of the first batch."""
        return self.data.example_batch(min(self.batch_size, self.data.count))

    def epoch(
        self,
        order: Callable[[int], np.ndarray],
        first: int,
        most: Callable[[int], int],
    ) -> Iterator[tuple[int, int, Any]]:
        count, start = self.data.count, 0
        self._rows = order(count) if self.shuffle else np.arange(count, dtype=np.int32)
        for indices in batch_indices(self._rows, self.batch_size):
            end = min(start + indices.shape[0], self._steps)
            at = max(first, start)
            while at < end:
                stop = at + most(end - at)
                yield at, stop, Rows(self.data, indices, at - start, stop - start)
                at = stop
            start += indices.shape[0]

    def batch(self, step: int) -> Any:
        start = step * self.batch_size
        return self.data.batch(self._rows[start : start + self.batch_size])

    def release(self) -> None:
        pass

    def close(self) -> None:
        pass

    def position(self) -> dict[str, Any]:
        return {
            "examples": self.data.count,
            "batch_size": self.batch_size,
            "shuffle": bool(self.shuffle),
        }

    def start(self, first: int, epochs: int, position: Mapping[str, Any] | None) -> None:
        if first and position is not None and position != self.position():
            raise InputError(_other_data(position, self.position()))


class IterableSource(BatchSource):
    """Prefetched batches of an iterable. With `steps`, it continues from epoch to epoch.

    Args:
        source: an iterable of batches, a function that returns one, or an indexable object.
        steps: the number of steps in an epoch; None for one pass over the iterable.
    """

    def __init__(self, source: Any, steps: int | None) -> None:
        self.source = source
        self.steps = steps
        self._limit: int | None = None  # batches of all epochs: no more are fetched
        self._prefetched: Prefetched | None = None
        self._taken = 0
        self._recent: dict[int, Any] = {}

    def epoch(
        self,
        order: Callable[[int], np.ndarray],
        first: int,
        most: Callable[[int], int],
    ) -> Iterator[tuple[int, int, Any]]:
        self._recent.clear()
        step = first
        while self.steps is None or step < self.steps:
            batch = self._next()
            if batch is None:
                break
            self._recent[step] = batch
            yield step, step + 1, batch
            step += 1
        if self.steps is None:
            self._prefetched, self._taken = None, 0
        if step == 0:
            raise InputError(no_batches())

    def _next(self) -> Any:
        if self._prefetched is None:
            self._prefetched = Prefetched(self._numbered(self._taken), _to_device)
        self._taken, batch = next(self._prefetched, (self._taken, None))
        return batch

    def _numbered(self, skipped: int) -> Iterator[tuple[int, Any]]:
        """Yield batches with their number in the current pass over the source, from 1."""
        count = 0
        while True:
            number = 0
            for number, batch in enumerate(iterate(self.source), 1):
                if number > skipped:
                    yield number, batch
                    count += 1
                    if count == self._limit:
                        return
            if self.steps is None:
                return
            if number == 0 or number < skipped:
                raise InputError(_exhausted(self.steps, count))
            skipped = 0

    def batch(self, step: int) -> Any:
        return self._recent[step]

    def release(self) -> None:
        self._recent.clear()

    def position(self) -> dict[str, Any]:
        return {"batches": self._taken, "steps": self.steps}

    def start(self, first: int, epochs: int, position: Mapping[str, Any] | None) -> None:
        if self.steps is not None:
            self._limit = self.steps * epochs - first
        if position is not None and position.get("steps", -1) == self.steps:
            self._taken = position["batches"]
        elif first:
            raise InputError(_other_data(position or {}, self.position()))

    def close(self) -> None:
        if self._prefetched is not None:
            self._prefetched.close()
        self._recent.clear()


def _to_device(item: tuple[int, Any]) -> tuple[int, Any]:
    number, batch = item
    return number, to_device(batch)


def no_batches() -> str:
    """Return the message for data without a batch."""
    return explain(
        "The data contain no batch.",
        expected="at least one batch in each epoch",
        received="an empty iterable, or a generator that an earlier epoch has exhausted",
        remedy="Pass a function that returns a generator, or an object whose __iter__ starts "
        "a new pass.",
    )


def _exhausted(steps: int, count: int) -> str:
    return explain(
        "The data ended before the epoch did.",
        expected=f"{steps} batches in each epoch",
        received=f"{count} batches in total, and none in a second pass",
        remedy="Lower steps_per_epoch, or pass an iterable that can be iterated again.",
    )


def _other_data(saved: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    return explain(
        "The checkpoint was written in the middle of an epoch over other data.",
        expected=", ".join(f"{name} {value}" for name, value in saved.items()),
        received=", ".join(f"{name} {value}" for name, value in own.items()),
        remedy="Pass the same data, batch_size, shuffle and steps_per_epoch as in that run.",
    )
