"""The call of a method of one layer within the call of a root."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from lamina.core.running import errors
from lamina.core.running.added_losses import add_activity_penalty
from lamina.core.running.call_context import passed_down
from lamina.core.running.input_checks import check_first_input
from lamina.core.running.interpreter import Interpreter
from lamina.core.running.keys import Key, no_call, split_for
from lamina.core.running.masks import copy_masks, mark_outputs, previous_mask, with_masks
from lamina.core.running.precision import arithmetic_dtype, cast_floating, is_uncast
from lamina.core.running.rematerialization import rematerialized
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
    """Call a method of a layer, or a function that calls the layer.

    Args:
        call: the interpreter of the call.
        layer: the layer.
        method: the name of the method, or the function. The inputs of ``"call"`` are given the
            masks that earlier layers recorded for them.
        args: the positional inputs.
        kwargs: the keyword inputs.
        training: the training mode.
        key: the random key of the call; None for no key.
    """
    around = current()
    dtype = None if around is None else around.dtype
    try:
        if callable(method):
            SCOPE.set(Scope(call, layer, training, key, dtype))
            outputs = method(*args, **kwargs)
        elif layer._lamina.context is None or method != "call":
            outputs = _run_method(call, layer, method, args, kwargs, training, key, dtype)
        else:
            info = method_of(type(layer), method)
            with passed_down(layer._lamina.context, info, args, kwargs) as kwargs:
                outputs = _run_method(call, layer, method, args, kwargs, training, key, dtype)
    except Exception as error:
        errors.add_layer_note(
            error,
            f"in {call.path_of(layer) or 'the root'} ({type(layer).__name__}), "
            f"made at {layer._lamina.made_at}",
        )
        raise
    finally:
        SCOPE.set(around)  # not `reset`, whose token is lost by an interrupt right after `set`
    return outputs  # not in the `try`, where an interrupt after the call would skip `finally`


def _run_method(
    call: Interpreter,
    layer: Tracked,
    method: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    training: bool,
    key: Key | None,
    dtype: Any,
) -> Any:
    """Run a method with its masks and in its dtype; the caller restores the scope."""
    node, info = layer._lamina, method_of(type(layer), method)
    masks, previous = call.masks, None
    marked = bool(masks)
    if method == "call":
        if "input_spec" in layer.__dict__:
            check_first_input(call, layer, info, args, kwargs)
        if marked:
            args, kwargs = with_masks(masks, layer, info, args, kwargs)
        previous = previous_mask(masks, info, args, kwargs)
    dtype = arithmetic_dtype(node.dtype, dtype) if node.autocast else None
    uncast = dtype is not None and is_uncast(layer, method)
    if dtype is not None and not uncast:
        given, (args, kwargs) = (args, kwargs), cast_floating((args, kwargs), dtype)
        copy_masks(masks, given, (args, kwargs))
    inner, after = (None, dtype) if uncast else (dtype, None)
    SCOPE.set(Scope(call, layer, training, key, inner, after))
    options = {} if info.training_at is None else {"training": training}
    run = call.run
    if (node.remat or node.remat_of_scope) and training and method == "call":
        run = _run_rematerialized
    if marked and getattr(layer, "_hides_masks", False):
        with masks.hidden():
            outputs = run(layer, method, args, kwargs, options)
    else:
        outputs = run(layer, method, args, kwargs, options)
    if uncast:
        outputs = cast_floating(outputs, dtype)
    if node.penalty is not None:
        add_activity_penalty(layer, node.penalty, outputs)
    if method == "call" and not mark_outputs(masks, layer, info, args, kwargs, outputs, previous):
        call.warn_of_lost_mask(layer)
    if masks and getattr(layer, "_removes_masks", False):
        masks.remove((args, kwargs))
    return outputs


def _run_rematerialized(
    layer: Tracked,
    method: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: dict[str, Any],
) -> Any:
    """Run a method as the running call does, without storing its activations."""

    def run(*args: Any, **kwargs: Any) -> Any:
        scope = current()
        assert scope is not None
        return scope.call.run(layer, method, args, kwargs, options)

    return rematerialized(layer, run, args, kwargs)


def fresh_key(layer: Tracked) -> jax.Array:
    """Return a new random key for a layer, derived from the key of the running call.

    Raises:
        LaminaError: no call is running, or it has no key.
        TraceError: the key was passed outside of a loop whose body is running.
    """
    scope = current()
    if scope is None:
        raise no_call(layer)
    return split_for(scope.call, layer, scope.key)
