"""Values of several variables, read and assigned together: other threads see all of it or none.

Without the interpreter switching threads, nothing comes between the elements of one `map` whose
function is written in C. So all values are gathered by one such call and assigned by another. A
call that runs the layers one by one reads over a longer time: while it runs, it goes on with the
values that were there as it began.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import TYPE_CHECKING, Any, Protocol

import jax

from lamina.core.base.lock import LOCK

if TYPE_CHECKING:
    from collections.abc import Generator

    class Stored(Protocol):
        """A variable, as this module needs it."""

        def stored(self) -> jax.Array: ...


__all__ = ["Reader", "assign_together", "reading", "stored_together", "value_of"]

value_of = operator.attrgetter("_value")
"""What is kept in a variable: its array, or who it is lent to."""

_READERS: dict[int, Reader] = {}
_ASSIGNING = threading.RLock()
"""Held for as long as one assignment takes, never while anything is built or computed."""


class Reader:
    """A running call that reads variables one by one.

    Attributes:
        replaced: the values as the call began of variables that other threads assigned since.
    """

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.replaced: dict[Stored, Any] = {}

    def read(self, variable: Stored) -> Any:
        """The value of a variable as the call began, or as its own thread left it."""
        if variable not in self.replaced:
            value = variable.stored()
            if variable not in self.replaced:  # else it was replaced meanwhile
                return value
        return self.replaced[variable]


@contextmanager
def reading(reader: Reader) -> Generator[None]:
    """While this lasts, values that other threads replace are kept for the reader."""
    try:
        with _ASSIGNING:
            _READERS[id(reader)] = reader
        yield
    finally:
        _READERS.pop(id(reader), None)


def stored_together(variables: Sequence[Stored]) -> list[Any]:
    """The arrays kept in variables, as they are at one moment; what is lent out comes back first.

    Raises:
        BuildError: one has no value yet.
    """
    values = list(map(value_of, variables))
    if all(isinstance(value, jax.Array) for value in values):
        return values
    with LOCK:  # nothing is lent out again meanwhile
        for variable in variables:
            variable.stored()
        return list(map(value_of, variables))


def assign_together(variables: Sequence[Stored], values: Iterable[Any]) -> None:
    """Assign to all variables at once: no thread sees a part of it, and no interrupt leaves one."""
    given = list(values)
    with _ASSIGNING:
        before = list(map(value_of, variables))  # kept until all are replaced: freeing may run code
        own = threading.get_ident()
        for reader in [reader for reader in _READERS.values() if reader.thread != own]:
            for variable, value in zip(variables, before, strict=True):
                if isinstance(value, jax.Array):
                    reader.replaced.setdefault(variable, value)
        any(map(setattr, variables, repeat("_value"), given))
    del before
