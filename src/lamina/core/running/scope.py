"""The scope of the running layer: its call, training mode, random key and compute dtype."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from lamina.core.base.jax_internals import is_traced
from lamina.core.base.sites import site
from lamina.core.running.decoding import Decoding
from lamina.core.running.interpreter import Interpreter
from lamina.core.running.keys import Key
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import SCOPE
from lamina.errors import InputError, explain

__all__ = ["Scope", "as_mode", "current", "decoding", "run_in", "set_masks"]

T = TypeVar("T")


class Scope(NamedTuple):
    """The context in which a method of a layer runs.

    Attributes:
        call: the interpreter of the call.
        layer: the layer.
        training: the training mode.
        key: the random key of the call; None if the call has none.
        dtype: the compute dtype under mixed precision; None for the dtypes of the arrays.
        output_dtype: the dtype of the outputs of a method that computes in another one; None for
            the dtype in which they are computed.
    """

    call: Interpreter
    layer: Tracked
    training: bool
    key: Key | None
    dtype: Any = None
    output_dtype: Any = None


def current() -> Scope | None:
    """Return the scope of the innermost running layer; None outside of calls."""
    scope: Any = SCOPE.get()
    return scope


def decoding() -> Decoding | None:
    """Return the state of the running incremental call; None for other calls."""
    scope = current()
    return None if scope is None else scope.call.decoding


def set_masks(inputs: Any, masks: Any) -> None:
    """Record explicit masks of the inputs of the running call, for its inner layers.

    Args:
        inputs: a pytree of arrays.
        masks: the masks of its leaves, in order; None for no mask.
    """
    scope = current()
    if masks is not None and scope is not None:
        scope.call.masks.record_tree(inputs, masks, replace=True)


def run_in(scope: Scope | None, function: Callable[[], T]) -> T:
    """Call a function in a scope; None for outside of calls."""
    around = SCOPE.get()
    try:
        SCOPE.set(scope)
        outputs = function()
    finally:
        SCOPE.set(around)  # not `reset`, whose token is lost by an interrupt right after `set`
    return outputs  # not in the `try`, where an interrupt after the call would skip `finally`


def as_mode(training: Any, default: bool) -> bool:
    """Convert the argument `training` to a bool.

    Args:
        training: True, False, 0, 1, or None for the default.
        default: the training mode of the outer call.

    Raises:
        InputError: ``training`` is another value, such as a tracer.
    """
    if training is None:
        return default
    if training is True or training is False:
        return training
    try:
        valid = bool(training in (0, 1))
    except Exception:  # a tracer has no bool value
        valid = False
    if valid:
        return bool(training)
    raise InputError(
        explain(
            "training is neither True nor False.",
            where=f"called at {site()}",
            expected="a Python bool, because each mode is a separate program",
            received="a traced value" if is_traced(training) else repr(training),
            remedy="Pass training=True or training=False; in jax.jit make it a static argument.",
        )
    )
