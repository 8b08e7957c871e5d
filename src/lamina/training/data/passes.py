"""Passes over a source of batches, and warnings where it has fewer batches than are asked for."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

from lamina.errors import explain
from lamina.training.data.batches import iterate, length_of

__all__ = ["Passes", "warn_of_few_batches"]

_KEPT = 2  # batches of an iterator that later passes use again, as in Keras


class Passes:
    """A source of batches that can be iterated several times.

    An iterator, such as a generator, can be iterated only once. A later pass gives its first two
    batches again, and then those that are left.

    Args:
        source: an iterable of batches, a function that returns one, or an indexable object.

    Attributes:
        length: the number of batches in a pass; None if it is unknown.
        is_spent: whether the source is an iterator that has ended.

    >>> passes = Passes(iter([1, 2, 3]))
    >>> list(passes), list(passes), passes.is_spent
    ([1, 2, 3], [1, 2], True)
    """

    def __init__(self, source: Any) -> None:
        self.length = length_of(source)
        self.is_spent = False
        self._source = source
        self._first: list[Any] = []
        self._rest = iterate(source) if self.happens_once else None

    @property
    def happens_once(self) -> bool:
        """Whether the source is an iterator, which cannot be started again."""
        return isinstance(self._source, Iterator)

    def __iter__(self) -> Iterator[Any]:
        if self._rest is None:
            return iterate(self._source)
        return itertools.chain(list(self._first), self._remaining(self._rest))

    def _remaining(self, rest: Iterator[Any]) -> Iterator[Any]:
        for batch in rest:
            if len(self._first) < _KEPT:
                self._first.append(batch)
            yield batch
        self.is_spent = True


def warn_of_few_batches(steps: int | None, count: int) -> None:
    """Warn that the data have ended.

    Args:
        steps: the number of batches that were asked for; None for a whole pass over an iterator
            that has ended before.
        count: the number of batches that there were.
    """
    warnings.warn(
        explain(
            "The data ran out of batches.",
            expected="a source that can be iterated again" if steps is None else f"{steps} batches",
            received="an iterator that has ended, whose first two batches are used again"
            if steps is None
            else f"{count}",
            remedy="Pass a function that returns a generator, or one generator that yields the "
            "batches of all epochs."
            if steps is None
            else "Lower the number of steps, or pass more data.",
        ),
        UserWarning,
        stacklevel=2,
    )
