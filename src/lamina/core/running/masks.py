"""Propagation of padding masks from layer to layer within a call.

The masks of a call are kept by the identity of the arrays that they belong to. A layer receives
the masks of its inputs, and the masks of its outputs follow from `compute_mask`. Layers of Lamina
may set ``_hides_masks``, so that the layers inside of them receive explicit masks only;
``_removes_masks``, so that their inputs have no mask afterwards; and ``_mask_of_first_input``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from inspect import Parameter
from typing import Any, TypeVar

import jax

from lamina.core.base.pytrees import leaves_of
from lamina.core.base.sites import site
from lamina.core.running.mask_records import Masks
from lamina.core.specs.signature import Method
from lamina.core.tree.node import Tracked
from lamina.errors import explain

__all__ = [
    "copy_masks",
    "defines_mask",
    "mark_outputs",
    "masks_by_inner_layers",
    "previous_mask",
    "warn_of_loss",
    "with_masks",
]

_F = TypeVar("_F", bound=Callable[..., Any])


def masks_by_inner_layers(compute_mask: _F) -> _F:
    """Mark a `compute_mask` that a call does not use: inner layers record the outputs' masks."""
    compute_mask.mask_rule = "inner"  # type: ignore[attr-defined]
    return compute_mask


def defines_mask(layer: Tracked) -> bool:
    """Return whether the class of a layer defines how the mask of its outputs is computed."""
    return _rule_of(type(layer)) is None


_rules: dict[Any, str | None] = {}


def _rule_of(kind: Any) -> str | None:
    """Return ``"base"``, ``"inner"``, or None if the class defines its own `compute_mask`."""
    function = kind.compute_mask
    if function not in _rules:
        _rules[function] = getattr(function, "mask_rule", None)
    return _rules[function]


def with_masks(
    masks: Masks, layer: Any, method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Add the masks of the inputs to the arguments of a call, where `call` accepts them.

    The mask of the only input that holds arrays is passed as ``mask``. If there are several, that
    of an input ``value`` is passed as ``value_mask``; that of the first one also as ``mask`` if the
    layer has ``_mask_of_first_input``. Masks that are passed explicitly are kept.

    Args:
        masks: the masks of the call.
        layer: the layer.
        method: the signature of `call`.
        args: the positional arguments.
        kwargs: the keyword arguments.
    """
    parameters = method.signature.parameters
    if not any(name == "mask" or name.endswith("_mask") for name in parameters):
        return args, kwargs
    try:
        given = method.signature.bind(*args, **kwargs).arguments
    except TypeError:  # the call itself reports it
        return args, kwargs
    inputs: dict[str, Any] = {}
    for name, value in given.items():
        kind = parameters[name].kind
        if kind is Parameter.VAR_KEYWORD:
            inputs |= value
        else:
            inputs[name] = (
                value[0] if kind is Parameter.VAR_POSITIONAL and len(value) == 1 else value
            )
    arrays = {name: value for name, value in inputs.items() if _holds_arrays(value)}
    options: dict[str, Any] = {}
    if len(arrays) == 1 or getattr(layer, "_mask_of_first_input", False):
        options["mask"] = next(iter(arrays.values()), None)
    if len(arrays) > 1:
        options |= {f"{name}_mask": value for name, value in arrays.items()}
    places = list(parameters)[: len(args)]
    for option, value in options.items():
        mask = masks.of_tree(value) if option in parameters and given.get(option) is None else None
        if mask is None or (option != "mask" and masks.is_removed(value)):
            continue
        if option in places:  # None was passed by position
            at = places.index(option)
            args = (*args[:at], mask, *args[at + 1 :])
        else:
            kwargs = kwargs | {option: mask}
    return args, kwargs


def _holds_arrays(value: Any) -> bool:
    return isinstance(value, jax.Array) or any(
        isinstance(leaf, jax.Array) for leaf in leaves_of(value)
    )


def previous_mask(
    masks: Masks, method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Return the argument ``mask`` of a call, else the mask of its first input; None for no mask.

    Args:
        masks: the masks of the call.
        method: the signature of `call`.
        args: the positional arguments.
        kwargs: the keyword arguments.
    """
    mask = kwargs.get("mask") if kwargs else None
    if mask is None and len(args) > 1 and "mask" in method.inputs:
        at = method.inputs.index("mask")
        mask = args[at] if at < len(args) and method.counts else None
    if mask is None and masks:
        return masks.of_tree(_first_input(method, args, kwargs))
    return None if mask is None or not leaves_of(mask) else mask


def _first_input(method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if args:
        return args[0]
    return next((kwargs[name] for name in method.inputs if name in kwargs), None)


def mark_outputs(
    masks: Masks,
    layer: Any,
    method: Method,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    outputs: Any,
    previous: Any,
) -> bool:
    """Record the masks of a layer's outputs.

    Masks that inner layers recorded are kept.

    Args:
        masks: the masks of the call.
        layer: the layer.
        method: the signature of its `call`.
        args: the positional arguments.
        kwargs: the keyword arguments.
        outputs: the outputs.
        previous: the mask of the inputs, as from :func:`previous_mask`.

    Returns:
        Whether the layer passes masks on, or its first input had none to pass on.
    """
    rule = _rule_of(layer.__class__)
    if previous is None and rule is not None:
        return True
    if masks and all(masks.of(leaf) is not None for leaf in leaves_of(outputs)):
        return True
    if not layer.supports_masking:
        given = not masks or masks.of_tree(_first_input(method, args, kwargs)) is None
        return previous is None or rule == "inner" or given  # a layer may use `mask=` as it likes
    first = _first_input(method, args, kwargs)
    removed = bool(masks) and "mask" not in method.signature.parameters and masks.is_removed(first)
    masks.record_tree(outputs, layer.compute_mask(first, previous), removed=removed)
    return True


def copy_masks(masks: Masks, source: Any, target: Any) -> None:
    """Record the masks of the arrays of a pytree also for those of another, of equal structure."""
    if masks:
        for one, other in zip(leaves_of(source), leaves_of(target), strict=True):
            if one is not other:
                masks.record(other, masks.of(one), masks.is_removed(one))


def warn_of_loss(layer: Tracked, label: str) -> None:
    """Warn that a layer does not pass the mask of its inputs on."""
    warnings.warn(
        explain(
            f"{label} received an input with a mask, and does not pass the mask on.",
            where=f"made at {layer._lamina.made_at}; called at {site()}",
            expected="a layer that defines compute_mask, or sets supports_masking",
            received="supports_masking=False, so that later layers see no mask",
            remedy="Set self.supports_masking = True in __init__ if the mask also fits the "
            "outputs; else pass masks to later layers by mask=, or ignore this warning.",
        ),
        UserWarning,
        stacklevel=4,
    )
