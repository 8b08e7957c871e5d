"""The source of batches that come from an iterable."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from lamina.errors import InputError, explain
from lamina.training.data.batch_sources import BatchSource, other_data
from lamina.training.data.passes import Passes, warn_of_few_batches
from lamina.training.data.prefetch import Prefetched, to_device

__all__ = ["IterableSource", "no_batches"]


class IterableSource(BatchSource):
    """Prefetched batches of an iterable. With `steps`, a pass goes on from epoch to epoch.

    An epoch ends early, with a warning, where the source is an iterator and has ended, where its
    length is known and the pass has ended, and where a pass has fewer batches than `steps`.

    Args:
        source: an iterable of batches, a function that returns one, or an indexable object.
        steps: the number of steps in an epoch; None for one pass over the iterable.
        weighted: adds sample weights to a batch; None (default) leaves batches as they are.
    """

    def __init__(
        self, source: Any, steps: int | None, weighted: Callable[[Any], Any] | None = None
    ) -> None:
        self.steps = steps
        self._weighted = weighted
        self._passes = Passes(source)
        self._limit: int | None = None  # batches of all epochs: no more are fetched
        self._prefetched: Prefetched | None = None
        self._taken = 0  # batches of the present pass
        self._used = 0
        self._recent: dict[int, Any] = {}

    def epoch(
        self,
        order: Callable[[int, int], np.ndarray],
        first: int,
        most: Callable[[int], int],
    ) -> Iterator[tuple[int, int, Any]]:
        self._recent.clear()
        step = first
        while self.steps is None or step < self.steps:
            batch = self._next()
            if batch is not None:
                self._recent[step] = batch
                yield step, step + 1, batch
                step += 1
                continue
            length, self._prefetched, self._taken = self._taken, None, 0
            if self.steps is None or length == 0:
                break
            if step > first and not self._goes_on(length, self.steps):
                warn_of_few_batches(self.steps, step)
                break
        if step == 0:
            raise InputError(no_batches())

    def _goes_on(self, length: int, steps: int) -> bool:
        """Whether an epoch takes its last batches from a new pass, after one of `length`."""
        passes = self._passes
        return passes.length is None and not passes.happens_once and length >= steps

    def _next(self) -> Any:
        if self._prefetched is None:
            if self._passes.is_spent:
                warn_of_few_batches(None, 0)
            left = None if self._limit is None else max(0, self._limit - self._used)
            batches = itertools.islice(enumerate(self._passes, 1), self._taken, None)
            self._prefetched = Prefetched(itertools.islice(batches, left), _to_device)
        self._taken, batch = next(self._prefetched, (self._taken, None))
        self._used += batch is not None
        return batch if batch is None or self._weighted is None else self._weighted(batch)

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
            raise InputError(other_data(position or {}, self.position()))

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
        received="an empty iterable, or a generator that has ended",
        remedy="Pass a function that returns a generator, or an object whose __iter__ starts "
        "a new pass.",
    )
