"""What may be made while a file is loaded: no more than the file accounts for.

A few bytes of a file can ask for a billion layers, calls or weights. While one is loaded, layers
are counted as they are made, calls as they are traced, and weights before they get values.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from contextvars import ContextVar

from lamina.errors import FileFormatError, explain

__all__ = ["ALLOWANCE", "Allowance", "allowing"]

_LAYERS, _LAYERS_EACH = 1_000, 20
_CALLS, _CALLS_EACH = 8_192, 4
_TRACES = 32
_WEIGHTS = 1 << 20


class Allowance:
    """What is left to be made.

    Args:
        path: of the file, for errors.
        parts: how many arrays the file holds; :meth:`describe` adds the layers that it describes.
        elements: how many numbers are in the file's arrays.

    For each part there may be 20 layers, beside 1,000, and 4 calls in one trace, beside 8,192; in
    all traces together 32 times as many calls. Weights of layers that build themselves as they are
    made may have twice the file's numbers, beside a million.
    """

    def __init__(self, path: str, parts: int, elements: int) -> None:
        self._path = path
        self._parts = parts
        self._elements = 2 * elements + _WEIGHTS
        self._layers = self._calls = self._all_calls = 0

    def describe(self) -> None:
        """The file describes one more layer."""
        self._parts += 1

    def layer(self) -> None:
        """One more layer is made."""
        self._layers += 1
        self._check("layers", self._layers, _LAYERS + _LAYERS_EACH * self._parts)

    def trace(self) -> None:
        """A call of the whole tree is traced."""
        self._calls = 0

    def call(self) -> None:
        """One more layer is called while calls are traced."""
        self._calls += 1
        self._all_calls += 1
        most = _CALLS + _CALLS_EACH * self._parts
        self._check("calls of layers", self._calls, most)
        self._check("calls of layers", self._all_calls, _TRACES * most)

    def weights(self, elements: int) -> None:
        """Weights of so many numbers get values that are not the file's."""
        self._elements -= elements
        self._check("numbers in weights", -self._elements, 0)

    def _check(self, what: str, count: int, most: int) -> None:
        if count > most:
            raise FileFormatError(
                explain(
                    f"{self._path!r} asks for more {what} than it accounts for.",
                    expected=f"at most {most:,} {what}" if most else f"no more {what}",
                    received=f"{count:,} or more",
                    remedy="Make and build the model yourself, and call load_weights on it.",
                )
            )


ALLOWANCE: ContextVar[Allowance | None] = ContextVar("ALLOWANCE", default=None)
"""That of the file being loaded; None outside of loading."""


@contextlib.contextmanager
def allowing(allowance: Allowance) -> Generator[None]:
    """Let what is made meanwhile count."""
    token = ALLOWANCE.set(allowance)
    try:
        yield
    finally:
        ALLOWANCE.reset(token)
