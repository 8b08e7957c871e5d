"""The running layer, whose key `tf.random` uses in a compiled call."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import lamina

__all__ = ["marked", "running"]

_running: ContextVar[lamina.Layer | None] = ContextVar("lamina_tf_layer", default=None)


def running() -> lamina.Layer | None:
    """The innermost running layer of `tf.keras`, or None."""
    return _running.get()


def marked(method: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method of a layer, so that :func:`running` returns the layer during the call."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        token = _running.set(self)
        try:
            return method(self, *args, **kwargs)
        finally:
            _running.reset(token)

    return call
