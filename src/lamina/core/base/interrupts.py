"""Signal handlers, held back while something must not be broken off."""

from __future__ import annotations

import importlib
import signal
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["HeldBack"]

# The functions of C behind those of `signal`, which turn every result into an enum and take 10
# times as long: a step of training asks for all handlers.
_native: Any = importlib.import_module("_signal")
_get: Callable[[int], Any] = _native.getsignal
_set: Callable[[int, Any], Any] = _native.signal

_SIGNALS = tuple(sorted(map(int, signal.valid_signals())))


class HeldBack:
    """A block that no signal handler breaks off: Ctrl-C and the like take effect as it ends.

    Python runs signal handlers in the main thread, between any two instructions, and what a
    handler raises breaks off whatever runs there: also between a call that gives its arguments up
    and the assignment that keeps its result. In this block handlers are called late, in the order
    in which their signals came. In other threads the block does nothing: none is called there.

    Args:
        may_break: says that nothing would be lost at this moment; a handler is called at once
            then. It must say no from some moment on until the end of the block.

    >>> import signal
    >>> kept = []
    >>> try:
    ...     with HeldBack():
    ...         signal.raise_signal(signal.SIGINT)
    ...         kept.append("result")
    ... except KeyboardInterrupt:
    ...     kept.append("interrupted")
    >>> kept
    ['result', 'interrupted']
    """

    __slots__ = ("_due", "_handlers", "_may_break", "_open")

    def __init__(self, may_break: Callable[[], bool] | None = None) -> None:
        self._may_break = may_break
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
        if self._open and not (self._may_break is not None and self._may_break()):
            self._due.append((number, frame))
        else:
            self._handlers[number](number, frame)

    def _restore(self, left: list[tuple[int, Any]]) -> None:
        """Put all handlers back, even if one that is back is called meanwhile and raises."""
        try:
            while left:
                _set(*left[-1])
                left.pop()
        finally:
            if left:
                self._restore(left)

    def _deliver(self) -> None:
        """Call the handlers that are due, even if one of them raises."""
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
    """The signals whose handlers are Python's, with these."""
    global _seen, _found
    handlers = tuple(map(_get, _SIGNALS))
    if handlers != _seen:
        pairs = zip(_SIGNALS, handlers, strict=True)
        _found = tuple((number, handler) for number, handler in pairs if callable(handler))
        _seen = handlers
    return _found
