"""The scope of a call: which layer is running, in which mode, with which random key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

from lamina.core.base.jax_internals import is_traced
from lamina.core.base.sites import site
from lamina.core.running.interpreter import Interpreter
from lamina.core.running.keys import Key
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import SCOPE
from lamina.errors import InputError, explain

__all__ = ["Scope", "as_mode", "current", "run_in"]

T = TypeVar("T")


class Scope(NamedTuple):
    """A layer's method that is running.

    Attributes:
        call: the interpreter of the call that it belongs to.
        layer: the layer.
        training: the mode.
        key: the random key of the call; None where none was given.
        dtype: the dtype of the arithmetic under mixed precision; None for that of the arrays.
    """

    call: Interpreter
    layer: Tracked
    training: bool
    key: Key | None
    dtype: Any = None


def current() -> Scope | None:
    """The scope of the innermost layer that is running; None outside of calls."""
    return cast("Scope | None", SCOPE.get())


def run_in(scope: Scope | None, function: Callable[[], T]) -> T:
    """Call a function within a scope, or outside of any."""
    around = SCOPE.get()
    try:
        SCOPE.set(scope)
        outputs = function()
    finally:
        SCOPE.set(around)  # not by a token, which an interrupt after `set` would keep from us
    return outputs  # not from within, where an interrupt after the call would pass `finally` by


def as_mode(training: Any, otherwise: bool) -> bool:
    """The mode that the argument `training` asks for.

    Args:
        training: True, False, 0 or 1; or None for the mode of the call around.
        otherwise: the mode of the call around.

    Raises:
        InputError: it is something else, such as a traced value.
    """
    if training is None:
        return otherwise
    if training is True or training is False:
        return training
    try:
        known = bool(training in (0, 1))
    except Exception:  # a traced value has no truth
        known = False
    if known:
        return bool(training)
    raise InputError(
        explain(
            "training is neither True nor False.",
            where=f"called at {site()}",
            expected="a Python bool: each mode is a program of its own",
            received="a traced value" if is_traced(training) else repr(training),
            remedy="Pass training=True or training=False; in jax.jit make it a static argument.",
        )
    )
