"""Entering a call: what holds while a layer's method runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.core.building import errors
from lamina.core.running.added_losses import penalise
from lamina.core.running.precision import arithmetic_dtype, lowered
from lamina.core.running.scope import SCOPE, Frame, Key, Scope
from lamina.core.specs.signature import method_of
from lamina.core.tree.node import Tracked

__all__ = ["enter"]


def enter(
    frame: Frame,
    layer: Tracked,
    method: str | Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    training: bool,
    key: Key | None,
) -> Any:
    """Call a layer's method, or a function that calls the layer, within a frame."""
    info = method_of(type(layer), method)
    planner = frame.planner
    around = SCOPE.get()
    dtype = None if around is None else around.dtype
    if not callable(method):
        dtype = arithmetic_dtype(layer._lamina.dtype, dtype)
        if dtype is not None:
            args, kwargs = lowered((args, kwargs), dtype)
    try:
        SCOPE.set(Scope(frame, layer, training, key, dtype))
        given = kwargs
        if info.training_at is not None:
            given = {**kwargs, "training": training}
            if planner is not None and info.reads_training:
                planner.reads_training = True
        if callable(method):
            return method(*args, **kwargs)
        function = getattr(layer, method)
        if planner is None:
            outputs = function(*args, **given)
            if frame.watch is not None:
                frame.watch(frame.path_of(layer), type(layer).__name__, (args, kwargs), outputs)
        else:
            outputs = planner.reach(layer, method, (args, kwargs), lambda: function(*args, **given))
        if layer._lamina.penalty is not None:
            penalise(layer, layer._lamina.penalty, outputs)
        return outputs
    except Exception as error:
        errors.note(
            error,
            f"in {frame.path_of(layer) or 'the root'} ({type(layer).__name__}), "
            f"made at {layer._lamina.made_at}",
        )
        raise
    finally:
        SCOPE.set(around)  # not by a token, which an interrupt after `set` would keep from us
