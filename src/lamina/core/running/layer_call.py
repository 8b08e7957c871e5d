"""The call of one layer's method within the call of a root."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from lamina.core.running import errors
from lamina.core.running.added_losses import penalise
from lamina.core.running.interpreter import Interpreter
from lamina.core.running.keys import Key, no_call, split_for
from lamina.core.running.precision import arithmetic_dtype, lowered
from lamina.core.running.scope import Scope, current
from lamina.core.specs.signature import method_of
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import SCOPE

__all__ = ["fresh_key", "run_layer"]


def run_layer(
    call: Interpreter,
    layer: Tracked,
    method: str | Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    training: bool,
    key: Key | None,
) -> Any:
    """Call a layer's method, or a function that calls the layer.

    Args:
        call: interprets what the layer does.
        layer: the layer.
        method: the method's name, or the function.
        args: the inputs by position.
        kwargs: the inputs by name.
        training: the mode.
        key: the random key of the call; None for none.
    """
    info = method_of(type(layer), method)
    around = current()
    dtype = None if around is None else around.dtype
    if not callable(method):
        dtype = arithmetic_dtype(layer._lamina.dtype, dtype)
        if dtype is not None:
            args, kwargs = lowered((args, kwargs), dtype)
    try:
        SCOPE.set(Scope(call, layer, training, key, dtype))
        if callable(method):
            outputs = method(*args, **kwargs)
        else:
            options = {} if info.training_at is None else {"training": training}
            outputs = call.run(layer, method, args, kwargs, options)
            if layer._lamina.penalty is not None:
                penalise(layer, layer._lamina.penalty, outputs)
    except Exception as error:
        errors.note(
            error,
            f"in {call.path_of(layer) or 'the root'} ({type(layer).__name__}), "
            f"made at {layer._lamina.made_at}",
        )
        raise
    finally:
        SCOPE.set(around)  # not by a token, which an interrupt after `set` would keep from us
    return outputs  # not from within, where an interrupt after the call would pass `finally` by


def fresh_key(layer: Tracked) -> jax.Array:
    """A random key for a layer, from the key of the call that is running.

    Raises:
        LaminaError: no call is running, or it has no key.
    """
    scope = current()
    if scope is None:
        raise no_call(layer)
    return split_for(scope.call, layer, scope.key)
