"""Atomic reads and assignments of the values of several variables.

Python does not switch threads during one `map` whose function is implemented in C. All values are
therefore read by one such `map` and assigned by another. A live call reads variables one by one,
over a longer time: it uses the values from its beginning throughout.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import repeat
from typing import TYPE_CHECKING, Any, Protocol

import jax

from lamina.core.base.lock import LOCK

if TYPE_CHECKING:
    from collections.abc import Generator

    class Stored(Protocol):
        """A variable."""

        def stored(self) -> jax.Array: ...


__all__ = [
    "SURROUNDING",
    "Reader",
    "Surrounding",
    "assign_together",
    "reading",
    "stored_together",
    "value_of",
]


class Surrounding(Protocol):
    """Supplies the values of variables outside of calls and in live calls."""

    def read(self, variable: Any) -> Any:
        """Return the value of a variable."""
        ...

    def assign(self, variables: Sequence[Any], arrays: Sequence[Any]) -> None:
        """Assign values to variables."""
        ...


SURROUNDING: ContextVar[Surrounding | None] = ContextVar("lamina_surrounding", default=None)
"""What supplies the values of variables in place of their stored arrays; None for nothing."""

value_of = operator.attrgetter("_value")
"""Returns the content of a variable: its array, or a `Loan` while training holds the array."""

_READERS: dict[int, Reader] = {}
_ASSIGNING = threading.RLock()
"""Held during one assignment, never during a build or a computation."""


class Reader:
    """Reads variables one by one in a live call.

    Attributes:
        replaced: earlier values of the variables that other threads assigned since the call began.
    """

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.replaced: dict[Stored, Any] = {}

    def read(self, variable: Stored) -> Any:
        """Return the value of a variable without the assignments of other threads since then."""
        if variable not in self.replaced:
            value = variable.stored()
            if variable not in self.replaced:  # otherwise another thread has just assigned it
                return value
        return self.replaced[variable]


@contextmanager
def reading(reader: Reader) -> Generator[None]:
    """In a `with` block, save for the reader the values that other threads replace."""
    try:
        with _ASSIGNING:
            _READERS[id(reader)] = reader
        yield
    finally:
        _READERS.pop(id(reader), None)


def stored_together(variables: Sequence[Stored]) -> list[Any]:
    """Return the stored arrays of variables, read atomically, or the values of `SURROUNDING`.

    Arrays that training holds are restored first.

    Raises:
        BuildError: a variable has no value yet.
    """
    around = SURROUNDING.get()
    if around is not None:
        return list(map(around.read, variables))
    values = list(map(value_of, variables))
    if all(isinstance(value, jax.Array) for value in values):
        return values
    with LOCK:  # training cannot take arrays in this block
        for variable in variables:
            variable.stored()
        return list(map(value_of, variables))


def assign_together(variables: Sequence[Stored], values: Iterable[Any]) -> None:
    """Assign values to variables atomically, with regard to other threads and interrupts."""
    arrays = list(values)
    with _ASSIGNING:
        before = list(map(value_of, variables))  # freed after the assignment, as that may run code
        own = threading.get_ident()
        for reader in [reader for reader in _READERS.values() if reader.thread != own]:
            for variable, value in zip(variables, before, strict=True):
                if isinstance(value, jax.Array):
                    reader.replaced.setdefault(variable, value)
        any(map(setattr, variables, repeat("_value"), arrays))
    del before
