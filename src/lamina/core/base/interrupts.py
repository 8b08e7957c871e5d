"""Deferred signal handlers, for code that must not be interrupted."""

from __future__ import annotations

import importlib
import signal
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["DeferredSignals"]

# The C functions behind those of `signal`, which convert each result to an enum and take 10 times
# as long. Each training step reads all handlers.
_native: Any = importlib.import_module("_signal")
_get: Callable[[int], Any] = _native.getsignal
_set: Callable[[int, Any], Any] = _native.signal

_SIGNALS = tuple(sorted(map(int, signal.valid_signals())))


class DeferredSignals:
    """A context manager that defers signal handlers, such as that of Ctrl-C, to the end of a block.

    Python runs signal handlers in the main thread, between any two instructions. An exception from
    a handler can interrupt the code between a call that donates its arguments and the assignment
    of its result. In this block, handlers are called at the end, in the order of their signals. In
    other threads the block has no effect, because Python calls no handlers there.

    Args:
        may_interrupt: returns whether an interrupt is harmless now, so that a handler is called
            immediately; once it has returned False it must do so until the end of the block. None
            (default) to defer all handlers.

    >>> import signal
    >>> kept = []
    >>> try:
    ...     with DeferredSignals():
    ...         signal.raise_signal(signal.SIGINT)
    ...         kept.append("result")
    ... except KeyboardInterrupt:
    ...     kept.append("interrupted")
    >>> kept
    ['result', 'interrupted']
    """

    __slots__ = ("_due", "_handlers", "_may_interrupt", "_open")

    def __init__(self, may_interrupt: Callable[[], bool] | None = None) -> None:
        self._may_interrupt = may_interrupt
        self._open = False
        self._due: list[tuple[int, Any]] = []
        self._handlers: dict[int, Callable[[int, Any], Any]] = {}

    def __enter__(self) -> None:
        if threading.get_ident() != threading.main_thread().ident:
            return
        self._open = True
        try:
            for number, handler in _callable_handlers():
                self._handlers[number] = handler
                _set(number, self._late)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        if self._handlers:
            try:
                self._restore(list(self._handlers.items()))
            finally:
                self._open = False
                self._deliver()

    def _late(self, number: int, frame: Any) -> None:
        if self._open and not (self._may_interrupt is not None and self._may_interrupt()):
            self._due.append((number, frame))
        else:
            self._handlers[number](number, frame)

    def _restore(self, left: list[tuple[int, Any]]) -> None:
        """Install the handlers again, even if one of them is called in between and raises."""
        try:
            while left:
                _set(*left[-1])
                left.pop()
        finally:
            if left:
                self._restore(left)

    def _deliver(self) -> None:
        """Call the deferred handlers, even if one of them raises."""
        try:
            while self._due:
                number, frame = self._due.pop(0)
                self._handlers[number](number, frame)
        finally:
            if self._due:
                self._deliver()


_seen: tuple[Any, ...] = ()
_found: tuple[tuple[int, Callable[[int, Any], Any]], ...] = ()


def _callable_handlers() -> tuple[tuple[int, Callable[[int, Any], Any]], ...]:
    """Return the signals that have a Python handler, with their handlers."""
    global _seen, _found
    handlers = tuple(map(_get, _SIGNALS))
    if handlers != _seen:
        pairs = zip(_SIGNALS, handlers, strict=True)
        _found = tuple((number, handler) for number, handler in pairs if callable(handler))
        _seen = handlers
    return _found
