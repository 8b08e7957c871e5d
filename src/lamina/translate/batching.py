"""Batching of concurrent requests."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

__all__ = ["Batcher"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Combines the items of concurrent callers into batches and passes them to a function.

    The function runs in a separate thread, one batch at a time. If it raises an error, each item of
    the batch is processed alone, so that only the caller of the failing item receives the error.

    Args:
        work: returns one result per item, in order.
        most: maximum number of items per batch, a positive integer.
        gather: seconds that the first item of a batch waits for more items. Default: 0.

    >>> async def main() -> list[str]:
    ...     with Batcher(lambda words: [word.upper() for word in words], most=8) as upper:
    ...         return await asyncio.gather(upper("one"), upper("two"))
    >>> asyncio.run(main())
    ['ONE', 'TWO']
    """

    def __init__(
        self, work: Callable[[Sequence[Item]], Sequence[Result]], most: int, gather: float = 0.0
    ) -> None:
        self._work = work
        self._most = most
        self._gather = gather
        self._waiting: queue.SimpleQueue[tuple[Item, asyncio.Future[Result]] | None] = (
            queue.SimpleQueue()
        )

    def __enter__(self) -> Batcher[Item, Result]:
        self._loop = asyncio.get_running_loop()
        # A daemon thread, so that a stop does not wait for a long batch.
        threading.Thread(target=self._run, name="batches", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.put(None)

    async def __call__(self, item: Item) -> Result:
        """The result of an item.

        Raises:
            Exception: the error that the function raised for the item.
        """
        future: asyncio.Future[Result] = self._loop.create_future()
        self._waiting.put((item, future))
        return await future

    def _run(self) -> None:
        while batch := self._next():
            items, futures = zip(*batch, strict=True)
            outcomes = self._outcomes(items)
            with contextlib.suppress(RuntimeError):  # the loop is closed: no caller is waiting
                self._loop.call_soon_threadsafe(_deliver, futures, outcomes)

    def _next(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        """The next batch; empty after the end."""
        first = self._waiting.get()
        if first is None:
            return []
        batch = [first]
        if self._waiting.qsize() < self._most - 1:
            time.sleep(self._gather)
        while len(batch) < self._most and not self._waiting.empty():
            entry = self._waiting.get()
            if entry is None:
                self._waiting.put(None)
                break
            batch.append(entry)
        return batch

    def _outcomes(self, items: Sequence[Item]) -> list[Result | Exception]:
        try:
            return list(self._work(items))
        except Exception as error:
            if len(items) == 1:
                return [error]
        return [outcome for item in items for outcome in self._outcomes([item])]


def _deliver(
    futures: Sequence[asyncio.Future[Result]], outcomes: Sequence[Result | Exception]
) -> None:
    for future, outcome in zip(futures, outcomes, strict=True):
        if future.done():  # canceled by the caller
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
