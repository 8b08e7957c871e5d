"""Sources of an epoch's batches: their interface, and rows of arrays in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from lamina.errors import InputError, explain
from lamina.training.data.arrays import Arrays, batch_indices
from lamina.training.data.passes import warn_of_few_batches

__all__ = ["ArraySource", "BatchSource", "Rows", "other_data"]


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
        order: Callable[[int, int], np.ndarray],
        first: int,
        most: Callable[[int], int],
    ) -> Iterator[tuple[int, int, Any]]:
        """Yield the steps of an epoch, each time after those yielded before have been run.

        Args:
            order: given the number of examples and of epochs since the pass over them began,
                returns their order in the pass.
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
    """Rows of arrays, in a new order in each pass if shuffled.

    With `steps`, an epoch goes on in the pass where the one before ended; the last epoch of a pass
    may have fewer steps.

    Args:
        data: the arrays.
        batch_size: examples in a batch; the last batch of a pass may be smaller.
        shuffle: whether to use a new order in each pass.
        steps: the number of steps in an epoch; None for all examples.
    """

    def __init__(self, data: Arrays, batch_size: int, shuffle: bool, steps: int | None) -> None:
        self.data = data
        self.batch_size = batch_size
        self.shuffle = shuffle
        self._whole = -(-data.count // batch_size)
        self._wanted = steps
        self._each = self._whole if steps is None else min(steps, self._whole)
        self.steps = self._each
        self._rows = np.arange(0)
        self._start: int = 0  # the steps of the pass before the present epoch
        self._next_start: int = 0  # the same for the next epoch

    def example_batch(self) -> Any:
        """Return a batch with the shapes and dtypes of the first batch."""
        return self.data.example_batch(min(self.batch_size, self.data.count))

    def epoch(
        self,
        order: Callable[[int, int], np.ndarray],
        first: int,
        most: Callable[[int], int],
    ) -> Iterator[tuple[int, int, Any]]:
        count, offset = self.data.count, self._next_start
        self._start, last = offset, min(offset + self._each, self._whole)
        passed = offset // self._each
        self._rows = order(count, passed) if self.shuffle else np.arange(count, dtype=np.int32)
        start = 0
        for indices in batch_indices(self._rows, self.batch_size):
            end = min(start + indices.shape[0], last)
            at = max(offset + first, start)
            while at < end:
                stop = at + most(end - at)
                yield at - offset, stop - offset, Rows(self.data, indices, at - start, stop - start)
                at = stop
            start += indices.shape[0]
        self._next_start = last % self._whole
        if self._wanted is not None and last - offset < self._wanted:
            warn_of_few_batches(self._wanted, last - offset)

    def batch(self, step: int) -> Any:
        start = (self._start + step) * self.batch_size
        return self.data.batch(self._rows[start : start + self.batch_size])

    def release(self) -> None:
        pass

    def close(self) -> None:
        pass

    def position(self) -> dict[str, Any]:
        return {**self._kind(), "start": self._next_start, "steps": self._wanted}

    def _kind(self) -> dict[str, Any]:
        return {
            "examples": self.data.count,
            "batch_size": self.batch_size,
            "shuffle": bool(self.shuffle),
        }

    def start(self, first: int, epochs: int, position: Mapping[str, Any] | None) -> None:
        if position is None:
            return
        saved = {name: position.get(name) for name in self._kind()}
        if saved != self._kind():
            if first:
                raise InputError(other_data(saved, self._kind()))
        elif position.get("steps") == self._wanted:
            self._next_start = position.get("start", 0) % self._whole


def other_data(saved: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    """Return the message for a checkpoint in the middle of an epoch over other data."""
    return explain(
        "The checkpoint was written during an epoch over other data.",
        expected=", ".join(f"{name} {value}" for name, value in saved.items()),
        received=", ".join(f"{name} {value}" for name, value in own.items()),
        remedy="Pass the same data, batch_size, shuffle and steps_per_epoch as in that run.",
    )
