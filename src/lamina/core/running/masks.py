"""Masks on their way through models: which layer is given which, and what comes out."""

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
    """The arguments by name of a call, with the masks that it takes and is not given.

    An argument ``value`` has its mask in ``value_mask``, and the first one in ``mask`` as well.

    Args:
        layer: that is called.
        kwargs: the arguments by name.
        masks: those of the arguments by position; None where there is none.
        named: those of the arguments by name.
    """
    if all(_none(mask) for mask in (*masks, *named.values())):
        return kwargs
    parameters = method_of(type(layer), "call").signature.parameters
    places = [p.name for p in parameters.values() if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
    if any(p.kind is Parameter.VAR_POSITIONAL for p in parameters.values()):
        places, masks = [""], (masks[0] if len(masks) == 1 else list(masks),)
    given = {*kwargs, *places[: len(masks)]}
    found: dict[str, Any] = {}
    for index, (name, mask) in enumerate([*zip(places, masks, strict=False), *named.items()]):
        for option in (f"{name}_mask", *(["mask"] if index == 0 else [])):
            if not _none(mask) and option in parameters and option not in given:
                found[option] = mask
    return kwargs | found


def note_mask(layer: Tracked, mask: Any) -> None:
    """A model says, within a call, what mask its outputs have."""
    scope = current()
    if scope is not None:
        scope.call.masks[id(layer)] = trace_state(), mask


def noted_mask(layer: Tracked) -> tuple[bool, Any]:
    """Whether a model called just now noted a mask, and which."""
    scope = current()
    state, mask = (None, None) if scope is None else scope.call.masks.get(id(layer), (None, None))
    known = state is not None and state == trace_state()
    return known, mask if known else None


def mask_after(layer: Any, args: tuple[Any, ...], mask: Any) -> Any:
    """The mask of what the layer gave just now, for inputs with this one."""
    known, noted = noted_mask(layer)
    if known:
        return noted
    return layer.compute_mask(args[0], None if _none(mask) else mask) if args else None


def _none(mask: Any) -> bool:
    return mask is None or not leaves_of(mask)
