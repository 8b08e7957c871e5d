"""The losses of a model's outputs: from the arguments of `compile` to the terms of the sum."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import jax

from lamina import losses
from lamina.errors import InputError, explain
from lamina.losses import Loss, LossLike
from lamina.losses.columns import columns_of_loss
from lamina.losses.lookup import loss_of
from lamina.losses.shapes import spread
from lamina.metrics.metric import select_by_shape
from lamina.training.step.output_structure import Place, by_output, places_of
from lamina.training.step.outputs import Output, check_count, element_weights

__all__ = [
    "LossArgument",
    "log_names",
    "losses_of_outputs",
    "pair_losses",
    "resolved",
    "scales",
    "term",
    "with_missing_labels",
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
        return [resolved(one) for one in cast(Sequence[Any], loss)]
    if not isinstance(loss, str):
        return loss_of(loss)
    automatic = loss.lower() in ("crossentropy", "ce")
    found = AutoCrossentropy() if automatic else loss_of(loss)
    found.name = loss
    return found


def losses_of_outputs(loss: Any, outputs: Any, names: Any = None) -> list[Loss | None]:
    """Return the loss of each output.

    Args:
        loss: as :func:`resolved` returns it.
        outputs: the outputs of the model.
        names: the names of the outputs, in their structure; None if unknown.

    Raises:
        InputError: losses and outputs do not correspond, or an output has several losses.
    """
    found = by_output("losses", loss, outputs, names, each=True)
    places = places_of(outputs, names)
    return [_loss_of(one, place) for one, place in zip(found, places, strict=True)]


def _loss_of(loss: Any, place: Place) -> Loss | None:
    """Return the loss of one output, which may be in a list of one entry."""
    if isinstance(loss, list) and len(cast("list[Any]", loss)) == 1:
        loss = cast("list[Any]", loss)[0]
    if loss is None or isinstance(loss, Loss):
        return loss
    name = place.key or place.own or "the output"
    raise InputError(
        explain(
            f"The losses do not match the outputs of {name}.",
            expected="one loss for each output",
            received=f"{len(cast(Any, loss))} losses",
            remedy="Pass one loss per output, or a function (y_true, y_pred) that returns the sum.",
        )
    )


def with_missing_labels(labels: Any, losses: list[Loss | None]) -> Any:
    """Return a list of labels with None for each output that has no loss, if these are left out."""
    wanted = sum(loss is not None for loss in losses)
    if labels is None or isinstance(labels, dict) or len(places_of(labels)) == len(losses):
        return cast(Any, labels)
    given = cast("list[Any]", labels if isinstance(labels, list | tuple) else [labels])
    if len(given) != wanted or wanted == len(losses):
        return cast(Any, labels)
    rest = iter(given)
    return [None if loss is None else next(rest) for loss in losses]


def pair_losses(losses: list[Loss | None], outputs: list[Output]) -> list[tuple[Loss, Output]]:
    """Return each output that has a loss and labels, with its loss."""
    pairs = zip(losses, outputs, strict=True)
    return [(one, of) for one, of in pairs if one is not None and of.labels is not None]


def log_names(losses: Sequence[Loss | None], places: Sequence[Place]) -> list[str]:
    """Return the names of the losses of several outputs in the logs; none for a single loss.

    The name is that of the output, as `b_loss`. An output in a list, of an unknown layer, has the
    name of its loss.

    Args:
        losses: the loss of each output; None for an output without one.
        places: of the outputs.
    """
    found: list[str] = []
    for loss, place in zip(losses, places, strict=True):
        if loss is None:
            continue
        path, own, _ = place
        base = f"{place.key}_loss"
        if path and isinstance(path[-1], int) and own is None:
            base = "/".join([*map(str, path[:-1]), f"{loss.name}_loss"])
        more = (f"{base}_{number}" for number in itertools.count(1))
        found.append(next(name for name in itertools.chain([base], more) if name not in found))
    return found if len(found) > 1 else []


def scales(loss_weights: Any, outputs: Any, names: Any = None) -> list[float]:
    """Return the factor of each output's loss in the sum; 1.0 where none is given.

    Args:
        loss_weights: a number for all outputs, or numbers in their structure; None for 1.
        outputs: the outputs of the model.
        names: the names of the outputs, in their structure; None if unknown.

    Raises:
        InputError: weights and outputs do not correspond, or a weight is no number.
    """
    found = by_output("loss_weights", loss_weights, outputs, names, each=True)
    return [_scale(one, place) for one, place in zip(found, places_of(outputs, names), strict=True)]


def _scale(weight: Any, place: Place) -> float:
    if weight is None:
        return 1.0
    try:
        return float(weight)
    except (TypeError, ValueError):
        raise InputError(
            explain(
                f"loss_weights has no number for {place.key or place.own or 'the output'}.",
                expected="a number, or numbers in a list or dict by output",
                received=repr(weight),
                remedy="Pass loss_weights=0.2, for example.",
            )
        ) from None


def term(loss: Loss, output: Output) -> jax.Array:
    """Return the loss of one output, a scalar; masked steps are left out of it.

    A loss class with a `__call__` of its own gets no mask. Sample weights and masks apply to single
    examples and steps, also where labels or outputs have no axis of outputs to average over.
    """
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
