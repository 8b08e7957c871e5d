"""Propagation of padding masks through the layers of a model."""

from __future__ import annotations

from inspect import Parameter
from typing import Any

from lamina.core.base.jax_internals import trace_state
from lamina.core.base.pytrees import leaves_of
from lamina.core.running.scope import current
from lamina.core.specs.signature import method_of
from lamina.core.tree.node import Tracked

__all__ = ["mask_after", "note_mask", "noted_mask", "with_masks"]


def with_masks(
    layer: Tracked, kwargs: dict[str, Any], masks: tuple[Any, ...], named: dict[str, Any]
) -> dict[str, Any]:
    """Add masks to the keyword arguments of a call, where the layer accepts and lacks them.

    The mask of an argument ``value`` is passed as ``value_mask``, that of the first argument also
    as ``mask``. Masks that are passed explicitly are kept.

    Args:
        layer: the layer that is called.
        kwargs: the keyword arguments.
        masks: the masks of the positional arguments; None for no mask.
        named: the masks of the keyword arguments.
    """
    if all(_none(mask) for mask in (*masks, *named.values())):
        return kwargs
    parameters = method_of(type(layer), "call").signature.parameters
    places = [p.name for p in parameters.values() if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
    if any(p.kind is Parameter.VAR_POSITIONAL for p in parameters.values()):
        places, masks = [""], (masks[0] if len(masks) == 1 else list(masks),)
    passed = {*kwargs, *places[: len(masks)]}
    found: dict[str, Any] = {}
    for index, (name, mask) in enumerate([*zip(places, masks, strict=False), *named.items()]):
        for option in (f"{name}_mask", *(["mask"] if index == 0 else [])):
            if not _none(mask) and option in parameters and option not in passed:
                found[option] = mask
    return kwargs | found


def note_mask(layer: Tracked, mask: Any) -> None:
    """Record the mask of a model's outputs in the running call."""
    scope = current()
    if scope is not None:
        scope.call.masks[id(layer)] = trace_state(), mask


def noted_mask(layer: Tracked) -> tuple[bool, Any]:
    """Return whether a model recorded a mask for its last outputs, and the mask."""
    scope = current()
    state, mask = (None, None) if scope is None else scope.call.masks.get(id(layer), (None, None))
    known = state is not None and state == trace_state()
    return known, mask if known else None


def mask_after(layer: Any, args: tuple[Any, ...], mask: Any) -> Any:
    """Return the mask of a layer's last outputs.

    Args:
        layer: the layer.
        args: the positional arguments of its call.
        mask: the mask of the first argument; None for no mask.
    """
    known, noted = noted_mask(layer)
    if known:
        return noted
    return layer.compute_mask(args[0], None if _none(mask) else mask) if args else None


def _none(mask: Any) -> bool:
    return mask is None or not leaves_of(mask)
