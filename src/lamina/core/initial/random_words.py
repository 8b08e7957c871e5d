"""Random words by position: NumPy's Philox, keyed by the seed and the path of a weight."""

from __future__ import annotations

import hashlib
import operator
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.random import Philox
from numpy.typing import NDArray

__all__ = ["Seed", "blocks", "digest"]

Seed = tuple[int, int]

_WORDS_A_COUNT = 4  # words that Philox computes for each value of its counter


def digest(seed: Seed, path: str | None) -> bytes:
    """Return the 16-byte Philox key of a weight; `path` is None if the initializer has a seed."""
    first, second = map(operator.index, seed)
    text = f"{first},{second}" if path is None else f"{first},{second}:{path}"
    return hashlib.blake2b(text.encode(), digest_size=16, person=b"lamina.draw").digest()


class _Words(threading.local):
    """The generator of a thread; setting its state takes less than half the time of a new one."""

    def __init__(self) -> None:
        self._generator = Philox(key=0)
        self._state: Any = dict(self._generator.state)

    def begin(self, key: bytes, counter: int) -> Philox:
        """Return the generator, set to a key and a counter."""
        self._state["state"] = {
            "counter": np.array([counter, 0, 0, 0], np.uint64),
            "key": np.frombuffer(key, "<u8"),
        }
        self._generator.state = self._state
        return self._generator


_words = _Words()


def blocks(
    key: bytes, span: range, itemsize: int, block: int
) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Yield slices of the values with their random signed integers of `itemsize` bytes."""
    a_count = _WORDS_A_COUNT * 8 // itemsize
    skipped = span.start % a_count
    generator = _words.begin(key, span.start // a_count)
    position = -skipped
    while position < len(span):
        count = min(block, len(span) - position)
        words = generator.random_raw(-(-count * itemsize // 8)).astype("<u8", copy=False)
        integers = words.view(f"<i{itemsize}")[max(0, -position) : count]
        yield slice(max(0, position), position + count), integers
        position += count
