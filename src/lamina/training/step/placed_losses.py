"""The losses of a model's outputs: which loss belongs to which output, or part of the outputs."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from lamina.errors import InputError, explain
from lamina.losses import Loss
from lamina.losses.loss import FunctionLoss
from lamina.training.step.output_structure import (
    OutputPath,
    Place,
    by_output,
    children_of,
    entries_of,
    parts_of,
    places_of,
)

__all__ = ["PlacedLoss", "placed_losses"]


class PlacedLoss(NamedTuple):
    """A loss, and the output or the nested outputs that it is for.

    Attributes:
        path: the keys and indices that lead to the output, or to a dict, list or tuple of outputs.
        loss: the loss.
        scale: its factor in the sum.
        name: the name of the outputs in logs, without ``_loss``; None if unknown.
    """

    path: OutputPath
    loss: Loss
    scale: float
    name: str | None


@dataclass(frozen=True)
class _Indexed:
    """A loss with its index among all losses of `compile`, None included."""

    loss: Loss
    index: int


_Found = list[tuple[OutputPath, _Indexed]]


def placed_losses(
    loss: Any, loss_weights: Any, outputs: Any, names: Any = None
) -> list[PlacedLoss]:
    """Return the losses, each with its place in the structure of the outputs.

    A single loss is used for each output. Losses in the structure of the outputs are each for one
    output; a list of losses for one of several outputs is summed. A custom function in the place of
    nested outputs is called on all of them. A list of losses for outputs that are no list may hold
    custom functions of all outputs, and losses in the structure of the outputs.

    Args:
        loss: a loss, or losses in lists, tuples and dicts; None for outputs without one.
        loss_weights: a number, or numbers in the structure of the outputs or of `loss`; None for 1.
        outputs: the outputs of the model, or placeholders in their structure.
        names: the name of each output, in the structure of the outputs; None if unknown.

    Raises:
        InputError: losses or weights and outputs do not correspond.
    """
    places = places_of(outputs, names)
    leaves: list[Any] = []
    indexed = _with_indices(loss, leaves)
    found = _in_structure(indexed, outputs, (), False)
    if found is None:
        by_place = by_output("losses", indexed, outputs, names, each=True)
        found = [pair for pairs in map(_of_place, by_place, places) for pair in pairs]
    scales = _scales(loss_weights, found, len(leaves), places, outputs, names)
    return [
        PlacedLoss(path, one.loss, scale, _name(path, outputs, places))
        for (path, one), scale in zip(found, scales, strict=True)
    ]


def _with_indices(tree: Any, leaves: list[Any]) -> Any:
    """Return losses with their indices, in the same containers; `leaves` gets the losses."""
    below = children_of(tree)
    if below is None:
        leaves.append(tree)
        return None if tree is None else _Indexed(tree, len(leaves) - 1)
    parts = {key: _with_indices(child, leaves) for key, child in below.items()}
    if isinstance(tree, Mapping):
        return parts
    kind = cast(Any, type(tree))
    return kind(*parts.values()) if hasattr(tree, "_fields") else kind(parts.values())


def _in_structure(given: Any, outputs: Any, path: OutputPath, whole: bool) -> _Found | None:
    """Return the losses of nested outputs by their keys and indices; None if they do not fit.

    Args:
        given: losses with their indices.
        outputs: the outputs at `path`.
        path: the keys and indices that lead to them.
        whole: whether a custom function gets all of these outputs, and not each of them.
    """
    below, parts = children_of(outputs), parts_of(given, outputs)
    if given is None:
        return []
    if isinstance(given, _Indexed):
        return _of_part(given, outputs, path, whole)
    assert parts is not None
    listed = [(one, outputs, path) for one in parts.values()]
    if below is None:  # several losses for one of several outputs
        fits = (path or len(parts) == 1) and not isinstance(given, Mapping)
        return _joined(listed) if fits else None
    is_dict = isinstance(given, Mapping)
    differs = not (is_dict or isinstance(outputs, type(given)))
    if differs and any(_has_form(one, outputs) for one, *_ in listed):
        return _joined(listed)
    if parts.keys() <= below.keys() and (is_dict or len(parts) == len(below)):
        return _joined([(parts[key], below[key], (*path, key)) for key in parts])
    return None


def _joined(parts: list[tuple[Any, Any, OutputPath]]) -> _Found | None:
    """Return the losses of all parts, each with its outputs and path; None if one does not fit."""
    found: _Found = []
    for given, outputs, path in parts:
        more = _in_structure(given, outputs, path, True)
        if more is None:
            return None
        found += more
    return found


def _of_part(one: _Indexed, outputs: Any, path: OutputPath, whole: bool) -> _Found:
    """Return a loss for an output; or for nested outputs, as a whole or for each."""
    below = children_of(outputs)
    if below is None or (whole and _is_custom(one.loss)):
        return [(path, one)]
    children = [(key, child) for key, child in below.items()]
    return [part for key, child in children for part in _of_part(one, child, (*path, key), False)]


def _has_form(given: Any, outputs: Any) -> bool:
    """Return whether losses are in a container as the outputs are, with its keys or length."""
    if isinstance(given, Mapping) and isinstance(outputs, Mapping):
        return cast("Mapping[Any, Any]", given).keys() <= cast("Mapping[Any, Any]", outputs).keys()
    one, other = cast("list[Any]", given), cast("list[Any]", outputs)
    return type(one) is type(other) and len(one) == len(other)


def _is_custom(loss: Loss) -> bool:
    """Return whether a loss computes with a function or a class from outside of Lamina."""
    source: Any = loss.function if isinstance(loss, FunctionLoss) else type(loss)
    while isinstance(source, functools.partial):
        source = cast("functools.partial[Any]", source).func
    return not str(getattr(source, "__module__", "")).startswith("lamina.")


def _of_place(given: Any, place: Place) -> _Found:
    """Return the losses of one output, found by its name or its number.

    Raises:
        InputError: the losses do not fit one output.
    """
    found = _in_structure(given, None, place.path, False)
    if found is not None:
        return found
    name = place.key or place.own or "the output"
    raise InputError(
        explain(
            f"The losses do not match the outputs of {name}.",
            expected="one loss for each output",
            received=f"{len(given)} losses",
            remedy="Pass one loss per output, or a function (y_true, y_pred) that returns the sum.",
        )
    )


def _name(path: OutputPath, outputs: Any, places: list[Place]) -> str | None:
    """Return the name of an output, or of nested outputs, in logs; None if it is unknown."""
    for place in places:
        if place.path == path:
            is_unknown = path and isinstance(path[-1], int) and place.own is None
            return None if is_unknown else place.key
    if path:
        return "/".join(map(str, path))
    if isinstance(outputs, Mapping):
        return "_".join(map(str, cast("Mapping[Any, Any]", outputs)))
    own = [place.own for place in places if place.own is not None]
    return "_".join(own) if len(own) == len(places) else None


def _scales(
    loss_weights: Any, found: _Found, count: int, places: list[Place], outputs: Any, names: Any
) -> list[float]:
    """Return the factor of each loss.

    Raises:
        InputError: weights and losses do not correspond, or a weight is no number.
    """
    paths = [path for path, _ in found]
    by_path = {place.path: place for place in places}
    if paths == list(dict.fromkeys(paths)) and by_path.keys() >= set(paths):
        by_place = by_output("loss_weights", loss_weights, outputs, names, each=True)
        weights = dict(zip(by_path, by_place, strict=True))
        return [_scale(weights[path], by_path[path].key or by_path[path].own) for path in paths]
    flat = [weight for _, weight in entries_of(loss_weights)]
    if children_of(loss_weights) is None:
        flat *= count
    if len(flat) != count:
        raise InputError(
            explain(
                "The loss_weights do not match the losses.",
                expected=f"{count} numbers, in the structure of the losses",
                received=f"{len(flat)}",
                remedy="Pass a number for each loss, in the same lists and dicts.",
            )
        )
    return [_scale(flat[one.index], one.loss.name) for _, one in found]


def _scale(weight: Any, name: str | None) -> float:
    if weight is None:
        return 1.0
    below: Any = children_of(weight)
    if below is not None and len(below) == 1:
        return _scale(next(iter(below.values())), name)
    try:
        return float(weight)
    except (TypeError, ValueError):
        raise InputError(
            explain(
                f"loss_weights has no number for {name or 'the output'}.",
                expected="a number, or numbers in a list or dict by output",
                received=repr(weight),
                remedy="Pass loss_weights=0.2, for example.",
            )
        ) from None
