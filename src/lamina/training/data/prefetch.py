"""Batches fetched ahead by a thread, and put on the device there."""

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
from lamina.training.data.arrays import of_numpy

__all__ = ["Prefetched", "on_device"]

_AHEAD = 2  # batches that wait on the device


class Prefetched(Iterator[Any]):
    """What `source` gives, made ready by a thread some items ahead; errors come in their place.

    Args:
        source: gives the items; it is used by the thread alone.
        ready: what makes an item ready, in the thread.

    >>> list(Prefetched(iter([1, 2]), lambda item: item * 10))
    [10, 20]
    """

    def __init__(self, source: Iterator[Any], ready: Callable[[Any], Any]) -> None:
        self._source = source
        self._ready = ready
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
        """Let the thread end after the item it is at, and wait for it, but not for long."""
        self._closed = True
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        x64, device = self._settings  # they are a thread's own in JAX
        try:
            with jax.enable_x64(x64), jax.default_device(device):
                for item in self._source:
                    self._queue.put(("item", self._ready(item)))
                    if self._closed:
                        return
        except BaseException as error:
            self._queue.put(("error", error))
        else:
            self._queue.put(("end", None))


def on_device(batch: Any) -> Any:
    """A batch as arrays on the device: of NumPy's, JAX's, or whatever else can become an array.

    What is not JAX's is copied, so that whoever made the batch may use its memory again.
    """
    return as_inputs(map_tree(_copied, batch))


def _copied(leaf: Any) -> Any:
    found = of_numpy(leaf)
    return np.array(cast(Any, found)) if isinstance(found, np.ndarray) else found
