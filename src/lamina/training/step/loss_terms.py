"""The losses of a model's outputs: from the arguments of `compile` to the terms of the sum."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import jax

from lamina import losses
from lamina.core.base.pytrees import flatten, unflatten
from lamina.losses import Loss, LossLike
from lamina.losses.columns import columns_of_loss
from lamina.losses.lookup import loss_of
from lamina.losses.shapes import spread
from lamina.metrics.metric import select_by_shape
from lamina.training.step.output_structure import OutputPath, Place, children_of, places_of
from lamina.training.step.outputs import Output, check_count, element_weights
from lamina.training.step.placed_losses import PlacedLoss

__all__ = [
    "LossArgument",
    "log_names",
    "resolved",
    "term",
    "with_missing_labels",
    "with_outputs",
]

LossArgument: TypeAlias = LossLike | Mapping[str, Any] | Sequence[Any] | None
"""The argument `loss` of `compile`: one loss, or several in the structure of the outputs."""


class AutoCrossentropy(Loss):
    """The cross-entropy that matches the shapes of labels and predictions: `"crossentropy"`."""

    def call(self, y_true: Any, y_pred: Any) -> jax.Array:
        functions = (
            losses.binary_crossentropy,
            losses.sparse_categorical_crossentropy,
            losses.categorical_crossentropy,
        )
        return select_by_shape(functions, y_true, y_pred)


def resolved(loss: Any) -> Any:
    """Resolve the `loss` argument of `compile`: names and functions become losses."""
    if loss is None:
        return None
    if isinstance(loss, Mapping):
        return {key: resolved(one) for key, one in cast(Mapping[str, Any], loss).items()}
    if isinstance(loss, list | tuple):
        kind = cast(Any, type(cast(object, loss)))
        found = map(resolved, cast(Sequence[Any], loss))
        return kind(*found) if hasattr(kind, "_fields") else kind(found)
    if not isinstance(loss, str):
        return loss_of(loss)
    automatic = loss.lower() in ("crossentropy", "ce")
    found = AutoCrossentropy() if automatic else loss_of(loss)
    found.name = loss
    return found


def with_missing_labels(labels: Any, losses: list[PlacedLoss], places: list[Place]) -> Any:
    """Return a list of labels with None for each output that has no loss, if these are left out.

    Args:
        labels: as `fit` takes them.
        losses: the losses.
        places: of all outputs.
    """
    count = len(places)
    if labels is None or isinstance(labels, dict) or len(places_of(labels)) == count:
        return cast(Any, labels)
    given = cast("list[Any]", labels if isinstance(labels, list | tuple) else [labels])
    paths = [one.path for one in losses]
    have_loss = [any(place.path[: len(path)] == path for path in paths) for place in places]
    if len(given) != sum(have_loss) or all(have_loss):
        return cast(Any, labels)
    rest = iter(given)
    return [next(rest) if has_loss else None for has_loss in have_loss]


def with_outputs(
    losses: list[PlacedLoss], outputs: list[Output], values: Any
) -> list[tuple[PlacedLoss, Output]]:
    """Return each loss whose outputs have labels, with its output; nested outputs are one.

    Args:
        losses: the losses.
        outputs: all outputs.
        values: the same, as the model returns them.
    """
    by_path = {output.place.path: output for output in outputs}
    pairs = [(one, by_path.get(one.path) or _nested(one, outputs, values)) for one in losses]
    return [(one, of) for one, of in pairs if of is not None and of.labels is not None]


def _nested(loss: PlacedLoss, outputs: list[Output], values: Any) -> Output | None:
    """Return the nested outputs of a loss as one, without masks; None if no label is given."""
    for key in loss.path:
        values = cast(Any, children_of(values))[key]
    below = [one for one in outputs if one.place.path[: len(loss.path)] == loss.path]
    labels = [one.labels for one in below]
    if all(one is None for one in labels):
        return None
    place = Place(loss.path, None, values)
    tree = unflatten(flatten(values)[1], labels)
    return Output(loss.name or "", tree, values, below[0].weights, None, place)


def log_names(losses: Sequence[PlacedLoss]) -> dict[OutputPath, str]:
    """Return the names of the losses of several outputs in the logs; none for a single loss.

    The name is that of the output, as `b_loss`. An output in a list, of an unknown layer, has the
    name of its loss. Losses of the same outputs have one name.
    """
    found: dict[OutputPath, str] = {}
    for one in losses:
        if one.path in found:
            continue
        base = f"{one.name}_loss"
        if one.name is None:
            base = "/".join([*map(str, one.path[:-1]), f"{one.loss.name}_loss"])
        more = (f"{base}_{number}" for number in itertools.count(1))
        taken = found.values()
        found[one.path] = next(n for n in itertools.chain([base], more) if n not in taken)
    return found if len(found) > 1 else {}


def term(loss: Loss, output: Output) -> jax.Array:
    """Return the loss of one output, a scalar; masked steps are left out of it.

    A loss class with a `__call__` of its own gets no mask. Sample weights and masks apply to single
    examples and steps, also where labels or outputs have no axis of outputs to average over.

    Args:
        loss: the loss.
        output: the output.
    """
    if children_of(output.values) is not None:
        return loss(output.labels, output.values, output.weights)
    check_count(output)
    if output.weights is not None or output.mask is not None:
        labels, values = columns_of_loss(loss, output.labels, output.values)
        output = output._replace(labels=labels, values=values)
    if output.mask is None or type(loss).__call__ is not Loss.__call__:
        return loss(output.labels, output.values, output.weights)
    values = loss.per_example(output.labels, output.values)
    if output.mask.ndim > values.ndim:  # a loss of whole examples has no steps
        output = output._replace(mask=None)
    weights = element_weights(output, loss.mask(output.labels, output.values))
    mask = None if weights is None else spread(weights, values)
    return losses.reduce(values, output.weights, mask, loss.reduction)
