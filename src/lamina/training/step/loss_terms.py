"""The losses of a model's outputs: from the arguments of `compile` to the terms of the sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import jax

from lamina import losses
from lamina.losses import Loss, LossLike
from lamina.losses.columns import columns_of_loss
from lamina.losses.shapes import spread
from lamina.training.step.outputs import Output, by_output, check_count, element_weights

__all__ = [
    "LossArgument",
    "Losses",
    "losses_of_outputs",
    "output_names",
    "pair_losses",
    "scales",
    "term",
]

LossArgument: TypeAlias = LossLike | Mapping[str, Any] | Sequence[Any] | None
"""The argument `loss` of `compile`: one loss, or several by output name or in their order."""

Losses: TypeAlias = Loss | dict[str, Loss | None] | list[Loss | None]
"""One loss for all outputs, or one for each, by name or in order."""


def losses_of_outputs(loss: Any) -> Losses | None:
    """Resolve the `loss` argument of `compile`: names and functions become losses."""
    if loss is None:
        return None
    if isinstance(loss, Mapping):
        items = cast(Mapping[str, Any], loss).items()
        return {name: _resolve(one) for name, one in items}
    if isinstance(loss, list | tuple):
        return [_resolve(one) for one in cast(Sequence[Any], loss)]
    return losses.get(loss)


def _resolve(loss: Any) -> Loss | None:
    """Resolve the loss of one output, which may be in a list of length one."""
    listed = list(cast(Sequence[Any], loss)) if isinstance(loss, list | tuple) else [loss]
    one: Any = listed[0] if len(listed) == 1 else listed
    return None if one is None else losses.get(one)


def output_names(loss: Any, names: Sequence[str] | None) -> list[str] | None:
    """Return the names of several outputs as far as the `loss` argument or `names` give them."""
    if isinstance(loss, Mapping):
        return list(cast(Mapping[str, Any], loss))
    if names is not None:
        return list(names)
    if isinstance(loss, list | tuple):
        return [f"output_{index}" for index in range(len(cast(Sequence[Any], loss)))]
    return None


def pair_losses(loss: Losses, outputs: list[Output]) -> list[tuple[Loss, Output]]:
    """Return each output that has a loss and labels, with its loss.

    Raises:
        InputError: losses and outputs do not correspond.
    """
    names = [output.name for output in outputs]
    if isinstance(loss, Loss):
        by_name = dict.fromkeys(names, loss)
    elif names == [""] and len(loss) == 1:
        (only,) = loss.values() if isinstance(loss, dict) else loss
        by_name = {"": only}
    else:
        by_name = by_output("losses", loss, names)
    pairs = [(by_name.get(output.name), output) for output in outputs]
    return [(one, of) for one, of in pairs if one is not None and of.labels is not None]


def scales(loss_weights: Any, names: list[str]) -> dict[str, float]:
    """Return the factor of each output's loss in the sum; 1.0 where none is given."""
    if loss_weights is None:
        return dict.fromkeys(names, 1.0)
    given = by_output("loss_weights", loss_weights, names)
    return {name: float(given.get(name, 1.0)) for name in names}


def term(loss: Loss, output: Output) -> jax.Array:
    """Return the loss of one output, a scalar; masked steps are left out of it.

    A loss class with a `__call__` of its own gets no mask. Sample weights of outputs ``[batch]``
    weight their own examples, also where the loss averages over the last axis.
    """
    check_count(output)
    if output.weights is not None:
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
