"""A trial of how a model can be called: incrementally, or on whole padded sequences only."""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina.core.running.decoding import NotIncrementalError
from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import walk
from lamina.generation.stepping import Incremental, logits_of
from lamina.layers.bases.spatial import Spatial
from lamina.layers.recurrent.base import RecurrentLayer

__all__ = ["LONGEST", "differs_from_prefix", "why_not_incremental"]

LONGEST = 24
"""The length of the sequences of a trial, if the model is to generate such long ones."""

_NOISE = 0.02
_SMALLEST = 1e-30
_LARGEST_DIFFERENCE = 1e-4  # of the largest logit


def why_not_incremental(
    model: Tracked, values: list[Any], largest_id: int, length: int
) -> str | None:
    """Returns why a model cannot be called incrementally; None if it can.

    Logits of incremental calls are compared with those of a call on the whole sequence, for random
    ids. A little noise is added to the weights, so that also weights that are zero have an effect.

    Args:
        model: the model, which is built.
        values: the values of its variables.
        largest_id: a valid token id; smaller ones are valid too.
        length: length of the sequences, at least 2.
    """
    mixing = [layer for _, layer in walk(model).layers.values() if _mixes_positions(layer)]
    if mixing:
        return f"{type(mixing[0]).__name__} mixes positions"
    try:
        difference = _largest_difference(
            _incremental_differences, model, values, largest_id, length
        )
    except NotIncrementalError as error:
        return str(error)
    except Exception as error:
        text = str(error).partition("\n")[0]
        return f"a call on one position fails with {type(error).__name__}: {text}"
    if difference <= _tolerance(model):
        return None
    return f"the logits of incremental calls differ by {difference:.1g} of the largest"


def differs_from_prefix(model: Tracked, values: list[Any], largest_id: int, length: int) -> bool:
    """Returns whether the logits of a model depend on later positions, or on the length.

    Args:
        model: the model, which is built.
        values: the values of its variables.
        largest_id: a valid token id; smaller ones are valid too.
        length: length of the sequences, at least 2.
    """
    difference = _largest_difference(_prefix_differences, model, values, largest_id, length)
    return difference > _tolerance(model)


def _mixes_positions(layer: Tracked) -> bool:
    return isinstance(layer, Spatial | RecurrentLayer)


def _tolerance(model: Tracked) -> float:
    layers = [layer for _, layer in walk(model).layers.values()]
    coarse = any("16" in str(layer._lamina.dtype) for layer in layers)  # float16, mixed_bfloat16
    return 0.05 if coarse else _LARGEST_DIFFERENCE


def _largest_difference(
    differences: Any, model: Tracked, values: list[Any], largest_id: int, length: int
) -> float:
    """Returns the largest difference of logits, of the largest logit.

    Sequences are shortened until their logits are finite, as they are not behind the end of a table
    of positions. The result is NaN if there are none.
    """
    variables = list(walk(model).variables)
    random = np.random.default_rng(0)
    noise = jnp.asarray(random.uniform(0, 1, 4093), jnp.float32)
    ids = jnp.asarray(random.integers(1, max(largest_id, 1) + 1, length), jnp.int32)

    @jax.jit
    def compare(values: list[Any], ids: jax.Array, amount: Any) -> jax.Array:
        given = [_with_noise(value, noise * amount) for value in values]
        return differences(model, dict(zip(variables, given, strict=True)), ids)

    difference = float("nan")
    while np.isnan(difference) and ids.size >= 2:
        for amount in (_NOISE, 0.0):
            difference = float(cast(Any, compare)(values, ids, amount))
            if not np.isnan(difference):
                break
        ids = ids[: ids.size // 2]
    return difference


def _with_noise(value: jax.Array, noise: jax.Array) -> jax.Array:
    if not jnp.issubdtype(value.dtype, jnp.floating):
        return value
    return value + jnp.resize(noise, value.shape).astype(value.dtype)


def _incremental_differences(model: Tracked, values: dict[int, Any], ids: jax.Array) -> jax.Array:
    lengths = max(ids.size // 4, 1), ids.size // 2  # of the prompts
    width, count = max(lengths), ids.size - max(lengths)
    whole = logits_of(model, values, ids[None])[0]
    rows = [jnp.pad(ids[:length], (width - length, 0)) for length in lengths]
    stepper = Incremental(model, values)
    padding = jnp.array([width - length for length in lengths])
    state = stepper.begin(jnp.stack(rows), padding, ids.size)

    def step(state: Any, inputs: Any) -> Any:
        index, tokens = inputs
        logits, state = stepper.step(state, tokens, width, index)
        return state, logits

    tokens = jnp.stack([ids[length : length + count] for length in lengths], 1)
    _, found = lax.scan(step, state, (jnp.arange(count), tokens))
    expected = jnp.stack([whole[length : length + count] for length in lengths], 1)
    return _relative(found, expected)


def _prefix_differences(model: Tracked, values: dict[int, Any], ids: jax.Array) -> jax.Array:
    prefix = logits_of(model, values, ids[None, : ids.size // 2])[0]
    whole = logits_of(model, values, ids[None])[0]
    return _relative(whole[: len(prefix)], prefix)


def _relative(found: jax.Array, expected: jax.Array) -> jax.Array:
    """Returns the largest difference; NaN if a logit that is expected is NaN."""
    found, expected = found.astype(jnp.float32), expected.astype(jnp.float32)
    sizes = jnp.where(jnp.isfinite(expected), jnp.abs(expected), 0)
    apart = jnp.where(jnp.isfinite(found), jnp.abs(found - expected), jnp.inf)
    apart = jnp.where(found == expected, 0, apart)  # also of infinite logits
    largest = apart.max() / jnp.maximum(sizes.max(), _SMALLEST)
    return jnp.where(jnp.isnan(expected).any(), jnp.nan, largest)
