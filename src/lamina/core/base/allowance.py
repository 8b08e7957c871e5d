"""What may be made while a file is loaded: no more than the file accounts for.

A few bytes of a file can ask for a billion layers, calls or weights. While one is loaded, layers
are counted as they are made, calls and weights as they are traced, and numbers before they are
drawn.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from contextvars import ContextVar

from lamina.errors import FileFormatError, explain

__all__ = ["ALLOWANCE", "Allowance", "allowing"]

_LAYERS, _LAYERS_EACH = 16_384, 20
_CALLS, _CALLS_EACH = 16_384, 8
_REPEATS, _REPEATS_EACH = 8_192, 2
_WEIGHTS, _WEIGHTS_EACH = 1_024, 2
_TRACES = 32
_NUMBERS, _NUMBERS_EACH = 1 << 20, 2


class Allowance:
    """What is left to be made.

    Args:
        path: of the file, for errors.
        arrays: how many arrays the file holds, those known by a second path counted again.
        numbers: how many numbers are in them; None where the tree is the program's own.

    There may be 16,384 layers, and 20 more for each array; as many calls in one trace, and 8 more;
    8,192 calls of layers that were called before in the trace, and 2 more; 1,024 weights, and 2
    more. All traces together may have 32 times as many calls as one. Models that build themselves
    as they are made may draw a million numbers, and 2 more for each of the file's. Calls with many
    inputs count more, and so do further calls of layers where the file has long lists of numbers.
    """

    def __init__(self, path: str, arrays: int, numbers: int | None) -> None:
        self._path = path
        self._arrays = arrays
        self._numbers = numbers
        self._made = self._drawn = self._traced = self._repeats = 0
        self._calls = self._again = self._weights = 0
        self._each = 1

    def layer(self) -> None:
        """One more layer is made."""
        self._made += 1
        self._check("layers", self._made, _LAYERS + _LAYERS_EACH * self._arrays)

    def repeat(self, calls: int = 1) -> None:
        """The file tells of so many more calls, or places, of layers that it has told of before."""
        self._repeats += calls
        most = _REPEATS + _REPEATS_EACH * self._arrays
        self._check("calls of the same layers", self._repeats, most)

    def listed(self, numbers: int) -> None:
        """So many numbers stand in lists: layers may make arrays of them at each call."""
        self._each = 1 + numbers // 1024

    def trace(self) -> None:
        """A call of the whole tree is traced."""
        self._calls = self._again = self._weights = 0

    def call(self, again: bool, inputs: int = 0) -> None:
        """One more layer is called while calls are traced, perhaps again; two inputs, arrays of
        a few axes and numbers, are as much as another call."""
        calls = 1 + inputs // 2
        self._calls += calls
        self._traced += calls
        self._again += self._each if again else 0
        most = _CALLS + _CALLS_EACH * self._arrays
        self._check("calls of layers", self._calls, most)
        self._check("calls of layers", self._traced, _TRACES * most)
        self._check(
            "calls of the same layers", self._again, _REPEATS + _REPEATS_EACH * self._arrays
        )

    def weight(self) -> None:
        """One more weight is declared while calls are traced."""
        self._weights += 1
        self._check("weights", self._weights, _WEIGHTS + _WEIGHTS_EACH * self._arrays)

    def draw(self, numbers: int) -> bool:
        """So many numbers are drawn, which are not the file's; whether functions may draw them,
        rather than laws alone: not those that a file has named."""
        if self._numbers is None:
            return True
        self._drawn += numbers
        self._check("numbers", self._drawn, _NUMBERS + _NUMBERS_EACH * self._numbers)
        return False

    def _check(self, what: str, count: int, most: int) -> None:
        if count > most:
            raise FileFormatError(
                explain(
                    f"{self._path!r} asks for more {what} than it accounts for.",
                    expected=f"at most {most:,} {what} for {self._arrays:,} arrays",
                    received=f"{count:,} or more",
                    remedy="Make and build the model yourself, and call load_weights on it.",
                )
            )


ALLOWANCE: ContextVar[Allowance | None] = ContextVar("ALLOWANCE", default=None)
"""That of the file being loaded; None outside of loading."""


@contextlib.contextmanager
def allowing(allowance: Allowance) -> Generator[None]:
    """Let what is made meanwhile count."""
    around = ALLOWANCE.get()
    try:
        ALLOWANCE.set(allowance)
        yield
    finally:
        ALLOWANCE.set(around)
