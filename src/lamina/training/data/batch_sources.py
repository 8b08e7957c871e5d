"""Where the steps of an epoch come from: rows of arrays in memory, or batches as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from lamina.errors import InputError, explain
from lamina.training.data.arrays import Arrays, batches_of
from lamina.training.data.prefetch import Prefetched, on_device
from lamina.training.loop.trainer import Trainer

__all__ = ["ArrayFeed", "BatchFeed", "Feed", "no_batches"]

Most = Callable[[int], int]
Before = Callable[[int], None]


class Feed:
    """The steps of epochs, of which each yields how many of its epoch were made.

    Args:
        steps: of an epoch; None where the data end it.
    """

    steps: int | None

    def epoch(self, trainer: Trainer, first: int, most: Most, before: Before) -> Iterator[int]:
        """Make the steps of an epoch from `first` on.

        Args:
            trainer: makes them.
            first: how many were made before.
            most: how many may be made at once, given how many are left.
            before: told which step comes next.
        """
        raise NotImplementedError

    def batch(self, step: int) -> Any:
        """The batch of a recent step of this epoch."""
        raise NotImplementedError

    def forget(self) -> None:
        """The batches so far will not be asked for."""

    def place(self) -> dict[str, Any]:
        """What a checkpoint keeps: what the data are, and where in them the next batch is."""
        raise NotImplementedError

    def start(self, first: int, epochs: int, place: Mapping[str, Any] | None) -> None:
        """See to `epochs` epochs, `first` steps of which are made; go on from a place if given.

        Raises:
            InputError: the place is one in other data.
        """

    def close(self) -> None:
        """Nothing more is wanted."""


class ArrayFeed(Feed):
    """Rows of arrays, in an order of their own in each epoch; many steps run as one program."""

    def __init__(self, data: Arrays, batch_size: int, shuffle: bool, steps: int | None) -> None:
        self.data = data
        self.batch_size = batch_size
        self.shuffle = shuffle
        whole = -(-data.count // batch_size)
        self.steps = whole if steps is None else min(steps, whole)
        self._rows = np.arange(0)

    def epoch(self, trainer: Trainer, first: int, most: Most, before: Before) -> Iterator[int]:
        data, start = self.data, 0
        trainer.prepare(lambda: data.like(min(self.batch_size, data.count)))
        in_order = np.arange(data.count, dtype=np.int32)
        self._rows = trainer.permutation(data.count) if self.shuffle else in_order
        for order in data.orders(self._rows, self.batch_size):
            end = min(start + order.shape[0], self.steps or 0)
            at = max(first, start)
            while at < end:
                before(at)
                stop = at + most(end - at)
                trainer.steps(data, order, at - start, stop - start)
                at = stop
                yield at
            start += order.shape[0]

    def batch(self, step: int) -> Any:
        start = step * self.batch_size
        return self.data.batch(self._rows[start : start + self.batch_size])

    def place(self) -> dict[str, Any]:
        return {
            "examples": self.data.count,
            "batch_size": self.batch_size,
            "shuffle": bool(self.shuffle),
        }

    def start(self, first: int, epochs: int, place: Mapping[str, Any] | None) -> None:
        if first and place is not None and place != self.place():
            raise InputError(_other_data(place, self.place()))


class BatchFeed(Feed):
    """Batches of an iterable, fetched ahead. With `steps`, it goes on from epoch to epoch.

    Args:
        source: an iterable, or a function that makes one.
        steps: of an epoch.
    """

    def __init__(self, source: Any, steps: int | None) -> None:
        self.source = source
        self.steps = steps
        self._left: int | None = None  # what all epochs take; no more is fetched
        self._ahead: Prefetched | None = None
        self._taken = 0
        self._recent: dict[int, Any] = {}

    def epoch(self, trainer: Trainer, first: int, most: Most, before: Before) -> Iterator[int]:
        self._recent.clear()
        done = first
        while self.steps is None or done < self.steps:
            batch = self._next()
            if batch is None:
                break
            before(done)
            self._recent[done] = batch
            trainer.step(batch)
            done += 1
            yield done
        if self.steps is None:
            self._ahead, self._taken = None, 0
        if done == 0:
            raise InputError(no_batches())

    def _next(self) -> Any:
        if self._ahead is None:
            self._ahead = Prefetched(self._batches(self._taken), _ready)
        self._taken, batch = next(self._ahead, (self._taken, None))
        return batch

    def _batches(self, skipped: int) -> Iterator[tuple[int, Any]]:
        """Batches, each with its number since the source was begun anew, counted from 1."""
        given = 0
        while True:
            number = 0
            for number, batch in enumerate(batches_of(self.source), 1):
                if number > skipped:
                    yield number, batch
                    given += 1
                    if given == self._left:
                        return
            if self.steps is None:
                return
            if number == 0 or number < skipped:
                raise InputError(_ended(self.steps, given))
            skipped = 0

    def batch(self, step: int) -> Any:
        return self._recent[step]

    def forget(self) -> None:
        self._recent.clear()

    def place(self) -> dict[str, Any]:
        return {"batches": self._taken, "steps": self.steps}

    def start(self, first: int, epochs: int, place: Mapping[str, Any] | None) -> None:
        if self.steps is not None:
            self._left = self.steps * epochs - first
        if place is not None and place.get("steps", -1) == self.steps:
            self._taken = place["batches"]
        elif first:
            raise InputError(_other_data(place or {}, self.place()))

    def close(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
        self._recent.clear()


def _ready(item: tuple[int, Any]) -> tuple[int, Any]:
    number, batch = item
    return number, on_device(batch)


def no_batches() -> str:
    """What is told where the data are empty."""
    return explain(
        "The data gave no batch.",
        expected="at least one batch an epoch",
        received="an empty iterable, or a generator that an earlier epoch used up",
        remedy="Pass a function that makes a generator, or a list of batches in a class with "
        "__iter__.",
    )


def _ended(steps: int, given: int) -> str:
    return explain(
        "The data ended before the epoch did.",
        expected=f"{steps} batches an epoch",
        received=f"{given} batches in all, and none when it was begun anew",
        remedy="Lower steps_per_epoch, or give an iterable that starts anew.",
    )


def _other_data(place: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    return explain(
        "The checkpoint was made in the middle of an epoch over other data.",
        expected=", ".join(f"{name} {value}" for name, value in place.items()),
        received=", ".join(f"{name} {value}" for name, value in own.items()),
        remedy="Give fit the data, batch_size, shuffle and steps_per_epoch of that run.",
    )
