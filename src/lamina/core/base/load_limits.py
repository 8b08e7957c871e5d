"""Limits on the layers, calls, weights and random values that loading a file may create.

A file of a few bytes could request a billion layers, calls or weights. While a file is loaded,
layers are counted when they are created, calls and weights when they are traced, and random values
before they are drawn.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from contextvars import ContextVar

from lamina.errors import FileFormatError, explain

__all__ = ["ALLOWANCE", "Allowance", "allowing", "count_constants"]

_LAYERS, _LAYERS_EACH = 16_384, 20
_CALLS, _CALLS_EACH = 16_384, 8
_REPEATS, _REPEATS_EACH = 8_192, 2
_WEIGHTS, _WEIGHTS_EACH = 128, 2
_TRACES = 32
_NUMBERS, _NUMBERS_EACH = 1 << 20, 2
_CONSTANTS = 1 << 23


class Allowance:
    """Counts what loading a file creates, and raises an error above a limit.

    The limits grow with the number of arrays in the file:

    - layers: 16,384, plus 20 for each array;
    - calls of layers in one trace: 16,384, plus 8 for each array; in all traces together, 32 times
      as many;
    - repeated calls of the same layers in one trace: 8,192, plus 2 for each array;
    - weights: 128, plus 2 for each array;
    - random values drawn by models that build themselves when they are created: 1,048,576, plus 2
      for each scalar in the file;
    - numbers that layers compute from their options, such as filters, in all traces together:
      8,388,608.

    A call with many inputs counts as several calls. A repeated call counts as several where the
    file has long lists of numbers.

    Args:
        path: path of the file, for errors.
        arrays: number of arrays in the file; an array with two paths counts twice.
        numbers: number of scalars in these arrays; None if the program made the tree itself.

    Attributes:
        described: whether the file describes the model, so that it chose the layers.
    """

    def __init__(self, path: str, arrays: int, numbers: int | None) -> None:
        self._path = path
        self._arrays = arrays
        self._numbers = numbers
        self._made = self._drawn = self._traced = self._repeats = 0
        self._calls = self._again = self._weights = 0
        self._constants = 0
        self._each = 1
        self.described = numbers is not None

    def layer(self) -> None:
        """Count one layer."""
        self._made += 1
        self._check("layers", self._made, _LAYERS + _LAYERS_EACH * self._arrays)

    def repeat(self, calls: int = 1) -> None:
        """Count calls or paths in the file of layers that the file has described before."""
        self._repeats += calls
        most = _REPEATS + _REPEATS_EACH * self._arrays
        self._check("calls of the same layers", self._repeats, most)

    def listed(self, numbers: int) -> None:
        """Set how many numbers the file has in lists: layers may make arrays of them in a call."""
        self._each = 1 + numbers // 1024

    def trace(self) -> None:
        """Start a new trace of the whole tree."""
        self._calls = self._again = self._weights = 0

    def call(self, again: bool, inputs: int = 0) -> None:
        """Count one call of a layer in the trace.

        Args:
            again: whether the layer was called before in this trace.
            inputs: size of the inputs; two count as one more call.
        """
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
        """Count one weight that is declared in the trace."""
        self._weights += 1
        self._check("weights", self._weights, _WEIGHTS + _WEIGHTS_EACH * self._arrays)

    def draw(self, numbers: int) -> bool:
        """Count random values that are about to be drawn.

        Returns:
            Whether initializers that are functions may be called. False while a file is loaded,
            because the file chose them.
        """
        if self._numbers is None:
            return True
        self._drawn += numbers
        self._check("numbers", self._drawn, _NUMBERS + _NUMBERS_EACH * self._numbers)
        return False

    def constants(self, numbers: int) -> None:
        """Count numbers that a layer is about to compute from its options."""
        if self.described:
            self._constants += numbers
            self._check("numbers", self._constants, _CONSTANTS)

    def _check(self, kind: str, count: int, most: int) -> None:
        if count > most:
            raise FileFormatError(
                explain(
                    f"{self._path!r} requests too many {kind} for its number of arrays.",
                    expected=f"at most {most:,} {kind} for {self._arrays:,} arrays",
                    received=f"{count:,} or more",
                    remedy="Create and build the model in code, then call load_weights on it.",
                )
            )


ALLOWANCE: ContextVar[Allowance | None] = ContextVar("ALLOWANCE", default=None)
"""The limits of the file that is being loaded; None if no file is being loaded."""


@contextlib.contextmanager
def allowing(allowance: Allowance) -> Generator[None]:
    """Apply an allowance inside a `with` block."""
    around = ALLOWANCE.get()
    try:
        ALLOWANCE.set(allowance)
        yield
    finally:
        ALLOWANCE.set(around)


def count_constants(numbers: int) -> None:
    """Count numbers that a layer is about to compute from its options, while a file is loaded.

    Args:
        numbers: how many.

    Raises:
        FileFormatError: a file that is being loaded requests too many.
    """
    allowance = ALLOWANCE.get()
    if allowance is not None:
        allowance.constants(numbers)
