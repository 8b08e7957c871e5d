"""Recordings of traces: the arrays that calls take and give, and the weights that they read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import jax

from lamina.core.base.jax_internals import is_running, is_traced, trace_state
from lamina.core.base.pytrees import leaves_of

__all__ = ["SCOPE_NAME", "Recording"]

SCOPE_NAME = "lamina_call_"
"""The beginning of the names of the scopes in which calls are traced; their indices follow."""


class Recording:
    """What one trace of a root's call computes.

    Attributes:
        arrays: arrays of the trace, which are the outputs of its program.
        inputs: by the index of a call, the positions in `arrays` of the arrays of its inputs; -1
            for an array of another trace, such as the body of a loop.
        outputs: the same of its outputs.
        reads: by the identity of a variable, the positions of its values.
        program: the program, a ``ClosedJaxpr``; None until the trace has ended.
    """

    def __init__(self) -> None:
        self.arrays: list[Any] = []
        self.inputs: dict[int, tuple[int, ...]] = {}
        self.outputs: dict[int, tuple[int, ...]] = {}
        self.reads: dict[int, list[int]] = {}
        self.program: Any = None
        self._state: Any = None

    def begin(self) -> None:
        """Take the running trace as that of the recording, if there is none yet."""
        if self._state is None:
            self._state = trace_state()

    def add(self, value: Any) -> tuple[int, ...]:
        """Record the arrays of a pytree, in the order of its specs, and return their positions."""
        return tuple(self._add(array) for array in _arrays(value))

    def read(self, key: int, value: Any) -> None:
        """Record a value that was read from a variable, by the variable's identity."""
        at = self._add(value)
        if at >= 0:
            self.reads.setdefault(key, []).append(at)

    def _add(self, array: Any) -> int:
        if not is_traced(array) or not is_running(self._state):
            return -1
        self.arrays.append(array)
        return len(self.arrays) - 1


def _arrays(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in cast("dict[Any, Any]", value).values():
            yield from _arrays(item)
    elif isinstance(value, list | tuple):
        for item in cast("list[Any]", value):
            yield from _arrays(item)
    elif hasattr(value, "shape") and hasattr(value, "dtype"):
        yield value
    else:
        yield from (leaf for leaf in leaves_of(value) if isinstance(leaf, jax.Array))
