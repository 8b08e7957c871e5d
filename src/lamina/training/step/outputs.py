"""The outputs of a model: each with its name, labels, sample weights and mask."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import jax.numpy as jnp

from lamina.errors import InputError, explain
from lamina.losses.shapes import spread
from lamina.training.step.output_structure import (
    Place,
    by_output,
    places_of,
    same_structure,
)

__all__ = ["Output", "check_count", "element_weights", "pair_outputs"]


class Output(NamedTuple):
    """One output of a model.

    Attributes:
        name: empty for the only output.
        labels: ``[batch, ...]``, or None.
        values: the output itself, ``[batch, ...]``.
        weights: sample weights, ``[batch]`` or more axes; None for 1.
        mask: 1 for valid steps and 0 for others, the first axes of `values`; None if all are valid.
        place: in the structure of all outputs.
    """

    name: str
    labels: Any
    values: Any
    weights: Any
    mask: Any = None
    place: Place = Place((), None, None)


def pair_outputs(
    outputs: Any, labels: Any, weights: Any, names: Any = None, masks: Any = None
) -> list[Output]:
    """Pair the outputs of a call with their labels, sample weights and masks.

    Args:
        outputs: an array, or nested dicts, lists and tuples of them.
        labels: in the structure of the outputs, or a list in their order, or a dict by name.
        weights: sample weights for all outputs, or in the structure of the outputs.
        names: the names of the outputs, in their structure; None if unknown.
        masks: in the structure of the outputs.

    Raises:
        InputError: labels or weights do not correspond to the outputs.

    >>> [output.name for output in pair_outputs({"a": 1, "b": 2}, {"b": 3}, None)]
    ['a', 'b']
    """
    places = places_of(outputs, names)
    labels_of, weights_of = [
        _of_outputs(what, given, outputs, places, names)
        for what, given in (("labels", labels), ("sample weights", weights))
    ]
    masks_of: list[Any] = [None] * len(places)
    if same_structure(masks, outputs):
        masks_of = [place.value for place in places_of(masks)]
    elif masks is not None and isinstance(outputs, list | tuple | dict):
        masks_of = by_output("masks", masks, outputs, names)
    name_of = ("",) if len(places) == 1 else tuple(place.key for place in places)
    return [
        Output(name, label, place.value, weight, _matching_mask(mask, place.value), place)
        for name, label, weight, mask, place in zip(
            name_of, labels_of, weights_of, masks_of, places, strict=True
        )
    ]


def _of_outputs(what: str, given: Any, outputs: Any, places: list[Place], names: Any) -> list[Any]:
    """Return labels or sample weights for each output."""
    if len(places) == 1:
        return [_of_only(given, outputs, places[0])]
    if given is None or (what == "sample weights" and not _is_nested(given)):
        return [given] * len(places)
    return by_output(what, given, outputs, names)


def _of_only(given: Any, outputs: Any, place: Place) -> Any:
    """Return the labels of the only output, from a list or dict of one entry."""
    if not _is_nested(given) or len(given) != 1:
        return given
    if isinstance(given, dict):
        ((name, value),) = cast("dict[Any, Any]", given).items()
        return value if _is_nested(outputs) or name == place.own else cast(Any, given)
    return given[0]


def element_weights(output: Output, weights: Any) -> Any:
    """Return the product of weights and the output's mask, broadcast; None without either.

    Args:
        output: its mask is used.
        weights: ``[batch, ...]``, or None.
    """
    factors = [jnp.asarray(factor) for factor in (weights, output.mask) if factor is not None]
    if not factors:
        return None
    product, *others = sorted(factors, key=lambda factor: (-factor.ndim, -factor.size))
    for factor in others:
        product = product * spread(factor, product)
    return product


def _matching_mask(mask: Any, values: Any) -> Any:
    """Return the mask as float32 if its shape is that of the first axes of `values`, else None."""
    if mask is None:
        return None
    shape, sizes = jnp.shape(mask), getattr(values, "shape", ())
    fits = len(shape) < len(sizes) and shape == sizes[: len(shape)]
    return jnp.asarray(mask, jnp.float32) if fits else None


def _is_nested(tree: Any) -> bool:
    return isinstance(tree, dict | list | tuple)


def check_count(output: Output) -> None:
    """Check that an output has as many labels as values.

    Raises:
        InputError: the first axes differ.
    """
    labels = jnp.shape(output.labels)
    values = jnp.shape(output.values) if hasattr(output.values, "shape") else None
    if labels and values and labels[0] != values[0]:
        of = f" of output {output.name!r}" if output.name else ""
        raise InputError(
            explain(
                f"The batch sizes of labels and outputs{of} differ.",
                expected=f"{values[0]} labels, for outputs of shape {values}",
                received=f"labels of shape {labels}",
                remedy="Pass one label, or one row of labels, per example.",
            )
        )
