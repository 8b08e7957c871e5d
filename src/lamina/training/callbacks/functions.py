"""A callback made of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.errors import InputError, explain, nearest
from lamina.training.callbacks.base import EVENTS, Callback

__all__ = ["LambdaCallback"]


class LambdaCallback(Callback):
    """A callback made of functions.

    Args:
        on_epoch_begin: called with ``(epoch, logs)``; each is None by default.
        on_epoch_end: called with ``(epoch, logs)``.
        on_train_begin: called with ``(logs)``.
        on_train_end: called with ``(logs)``.
        on_train_batch_begin: called with ``(batch, logs)``.
        on_train_batch_end: called with ``(batch, logs)``.
        others: further methods of :class:`Callback` by name, such as `on_test_batch_end`. A name
            that does not begin with ``on_`` becomes an attribute of the callback.

    Raises:
        InputError: a name begins with ``on_`` and is no method of :class:`Callback`, or the value
            of a method is not callable.

    >>> losses = []
    >>> callback = LambdaCallback(on_epoch_end=lambda epoch, logs: losses.append(logs["loss"]))
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **others: Any,
    ) -> None:
        methods = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        for name, value in (methods | others).items():
            if name.startswith("on_"):
                if value is None:
                    continue
                _check(name, value)
            setattr(self, name, value)


def _check(name: str, function: Any) -> None:
    if name not in EVENTS:
        raise InputError(
            explain(
                f"LambdaCallback has no method {name!r}.",
                expected="the name of a method of Callback",
                received=f"{name}={function!r}",
                remedy=nearest(name, EVENTS),
            )
        )
    if not callable(function):
        raise InputError(
            explain(
                f"{name} is not callable.",
                expected="a function",
                received=repr(function),
                remedy=f"Pass a function, such as {name}=lambda *args: print(args).",
            )
        )
