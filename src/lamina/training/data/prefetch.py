"""Prefetching: a thread fetches the next batches and copies them to the device."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import jax
import numpy as np

from lamina.core.base.inputs import as_inputs
from lamina.core.base.pytrees import map_tree
from lamina.training.data.arrays import as_numpy

__all__ = ["Prefetched", "to_device"]

_AHEAD = 2  # items that wait on the device


class Prefetched(Iterator[Any]):
    """An iterator over prepared items of a source, which a thread fetches two items ahead.

    An exception of the thread is raised when its item is requested.

    Args:
        source: an iterator; only the thread uses it.
        prepare: applied to each item in the thread.

    >>> list(Prefetched(iter([1, 2]), lambda item: item * 10))
    [10, 20]
    """

    def __init__(self, source: Iterator[Any], prepare: Callable[[Any], Any]) -> None:
        self._source = source
        self._prepare = prepare
        self._queue: queue.Queue[tuple[str, Any]] = queue.Queue(_AHEAD)
        self._closed = False
        config = cast(Any, jax.config)
        self._settings = config.jax_enable_x64, config.jax_default_device
        self._thread = threading.Thread(target=self._run, name="lamina-prefetch", daemon=True)
        self._thread.start()

    def __next__(self) -> Any:
        if self._closed:
            raise StopIteration
        kind, value = self._queue.get()
        if kind == "item":
            return value
        self._closed = True
        if kind == "error":
            raise value
        raise StopIteration

    def close(self) -> None:
        """Stop the thread after its present item; wait at most one second for it."""
        self._closed = True
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        x64, device = self._settings  # JAX keeps these settings for each thread
        try:
            with jax.enable_x64(x64), jax.default_device(device):
                for item in self._source:
                    self._queue.put(("item", self._prepare(item)))
                    if self._closed:
                        return
        except BaseException as error:
            self._queue.put(("error", error))
        else:
            self._queue.put(("end", None))


def to_device(batch: Any) -> Any:
    """Copy a batch to the device.

    Arrays of NumPy and of other libraries are copied, so that the caller may reuse their memory.

    Args:
        batch: a tree of arrays and other objects.

    Returns:
        The same tree with JAX arrays; leaves that are no arrays are unchanged.
    """
    return as_inputs(map_tree(_copy, batch))


def _copy(leaf: Any) -> Any:
    array = as_numpy(leaf)
    return np.array(cast(Any, array)) if isinstance(array, np.ndarray) else array
