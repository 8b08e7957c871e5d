"""Which layer is running, so that random numbers in its call come of the call's key."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import lamina

__all__ = ["marked", "running"]

_running: ContextVar[lamina.Layer | None] = ContextVar("lamina_tf_layer", default=None)


def running() -> lamina.Layer | None:
    """The innermost layer of `tf.keras` whose method runs, if one does."""
    return _running.get()


def marked(method: Callable[..., Any]) -> Callable[..., Any]:
    """A layer's method, which says of itself that it runs."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        token = _running.set(self)
        try:
            return method(self, *args, **kwargs)
        finally:
            _running.reset(token)

    return call
