"""Dropout of a recurrence: one mask for all steps of a sequence."""

from __future__ import annotations

from typing import Any, TypedDict

import jax

from lamina.ops.dropout import dropout_factors

__all__ = ["DropoutFactors", "draw_factors"]


class DropoutFactors(TypedDict):
    """Factors of the inputs and of the state, under the names that the operations use.

    Args:
        dropout: an array of the shape of one step's input, or None without dropout.
        recurrent_dropout: an array of the shape of the state, or None without dropout.
    """

    dropout: jax.Array | None
    recurrent_dropout: jax.Array | None


def draw_factors(
    layer: Any, input_shape: tuple[int, ...], state_shape: tuple[int, ...], training: bool
) -> DropoutFactors:
    """Draws the factors 0 and ``1 / (1 - rate)`` for a sequence.

    Args:
        layer: a layer with the attributes ``dropout``, ``recurrent_dropout`` and ``seed``.
        input_shape: the shape of one step's input.
        state_shape: the shape of the state.
        training: without it nothing is dropped.

    Source: Gal, Ghahramani, arXiv 1512.05287, with one mask for all gates.
    """
    return {
        "dropout": _drawn(layer, layer.dropout, input_shape, training),
        "recurrent_dropout": _drawn(layer, layer.recurrent_dropout, state_shape, training),
    }


def _drawn(layer: Any, rate: float, shape: tuple[int, ...], training: bool) -> jax.Array | None:
    if not training or rate == 0:
        return None
    key = layer.rng() if layer.seed is None else jax.random.fold_in(layer.rng(), layer.seed)
    return dropout_factors(key, rate, shape)
