"""The optimizer's state in a loan: the learning rate and the averages of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from lamina.core.calling import views
from lamina.training.loop.weight_loan import WeightLoan
from lamina.training.optimizers.learning_rate import learning_rate_name
from lamina.training.optimizers.weight_averages import average_names
from lamina.training.step.named_arrays import leaves_by_name, with_learning_rate

__all__ = ["learning_rate", "set_learning_rate", "swap_averages", "take_averages"]


def learning_rate(loan: WeightLoan) -> float:
    """Return the present learning rate.

    Raises:
        InputError: the optimizer has none in its state.
    """
    arrays = _arrays(loan)
    name = learning_rate_name(arrays)
    return float(arrays[name]) if loan.pending_rate is None else loan.pending_rate


def set_learning_rate(loan: WeightLoan, rate: float) -> None:
    """Change the learning rate.

    Raises:
        InputError: the optimizer has none in its state, or it follows a schedule.
    """
    if loan.started is not None:
        loan.carry = with_learning_rate(*loan.started, rate)
    else:
        loan.pending_rate = float(rate)


def take_averages(loan: WeightLoan) -> None:
    """Replace the weights of the model by their averages, if the optimizer keeps them."""
    swap_averages(loan, False)
    arrays = _arrays(loan)
    averages = {path: jnp.array(arrays[name]) for path, name in average_names(arrays).items()}
    if averages:
        views.set_values(loan.model, views.values(loan.model) | averages)


def swap_averages(loan: WeightLoan, to_averages: bool) -> None:
    """Exchange the weights and their averages, unless the model has those asked for.

    Nothing changes before the first step, or if the optimizer keeps no averages.
    """
    started = loan.started
    if started is None or loan.has_averages == to_averages:
        return
    program, carry = started
    names = list(leaves_by_name(program.optimizer_state(carry)))
    found = average_names(dict.fromkeys(names))
    if not found:
        return
    leaves, weights = list(carry.optimizer), list(carry.trainable)
    present = {} if loan.is_open else views.values(loan.model)
    for index, path in enumerate(program.trainable):
        at = names.index(found[path])
        # A value that the model holds may be used elsewhere; leaves are donated.
        weight = jnp.array(present[path]) if present else weights[index]
        leaves[at], weights[index] = weight, leaves[at]
    loan.carry = carry._replace(trainable=tuple(weights), optimizer=tuple(leaves))
    if present:
        views.set_values(loan.model, present | dict(zip(program.trainable, weights, strict=True)))
    loan.has_averages = to_averages


def _arrays(loan: WeightLoan) -> Mapping[str, Any]:
    """Return the arrays of the optimizer's state by name."""
    started = loan.started
    if started is not None:
        program, carry = started
        return leaves_by_name(program.optimizer_state(carry))
    return loan.pending_arrays or leaves_by_name(loan.optimizer.init({}))
