"""Random numbers from one stream: `tf.random`. In a layer, randomness comes from its key."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

import lamina
from lamina.compat.tf.keys import running
from lamina.compat.tf.missing import missing
from lamina.compat.tf.tensors import Dims, Value, dims, is_traced, tensor
from lamina.errors import TraceError, explain

__all__ = ["categorical", "normal", "set_seed", "shuffle", "truncated_normal", "uniform"]


class _Stream:
    """The seed of the stream, and how many keys were taken from it."""

    seed = 0
    counts: Iterator[int] = itertools.count()


def set_seed(seed: int) -> None:
    """Seed this stream and the first values of weights."""
    lamina.set_seed(seed)
    _Stream.seed, _Stream.counts = seed, itertools.count()


def _key(name: str, seed: int | None) -> jax.Array:
    """The next key. While JAX traces it would be a constant, the same at every run.

    In a layer that is traced it is the layer's own, of the key that the call is given.
    """
    if is_traced(jnp.zeros(())):
        layer = running()
        if layer is not None:
            return layer.rng() if seed is None else jax.random.fold_in(layer.rng(), seed)
        raise TraceError(
            explain(
                f"tf.random.{name} was called while JAX traces: it would give the same numbers "
                "at every run.",
                expected="random numbers from a key that the call is given",
                received=f"tf.random.{name} in a compiled function",
                remedy=f"Write jax.random.{name}(key, shape), and pass the key; in the call of a "
                "tf.keras.layers.Layer the call's key serves.",
            )
        )
    key = jax.random.fold_in(jax.random.key(_Stream.seed), next(_Stream.counts))
    return key if seed is None else jax.random.fold_in(key, seed)


def uniform(
    shape: Dims,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = jnp.float32,
    seed: int | None = None,
) -> jax.Array:
    """Numbers drawn evenly from `minval` up to `maxval`: 1 for floats if left out."""
    key = _key("uniform", seed)
    if not jnp.issubdtype(dtype, jnp.integer):
        high = 1 if maxval is None else maxval
        return jax.random.uniform(key, dims(shape), dtype, minval, high)
    if maxval is None:
        raise ValueError("tf.random.uniform of whole numbers needs maxval")
    return jax.random.randint(key, dims(shape), minval, maxval, dtype)


def normal(
    shape: Dims,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = jnp.float32,
    seed: int | None = None,
) -> jax.Array:
    """Numbers drawn from a normal distribution."""
    return mean + stddev * jax.random.normal(_key("normal", seed), dims(shape), dtype)


def truncated_normal(
    shape: Dims,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = jnp.float32,
    seed: int | None = None,
) -> jax.Array:
    """The same within two standard deviations of the mean."""
    key = _key("truncated_normal", seed)
    return mean + stddev * jax.random.truncated_normal(key, -2.0, 2.0, dims(shape), dtype)


def categorical(
    logits: Value, num_samples: int, dtype: Any = jnp.int32, seed: int | None = None
) -> jax.Array:
    """Ids drawn by unnormalised log-probabilities: `[batch, classes] -> [batch, num_samples]`."""
    array = tensor(logits)
    shape = (num_samples, array.shape[0])
    return jax.random.categorical(_key("categorical", seed), array, shape=shape).T.astype(dtype)


def shuffle(value: Value, seed: int | None = None) -> jax.Array:
    """The slices along the first axis in random order."""
    return jax.random.permutation(_key("permutation", seed), tensor(value))


def __getattr__(name: str) -> Any:
    raise missing("tf.random", name, __all__)
