"""`tf.random`: random numbers from a global stream, or from the key of the running layer."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

import lamina
from lamina.compat.tf.missing import missing
from lamina.compat.tf.running_layer import running
from lamina.compat.tf.tensors import Dims, Value, dims, is_traced, tensor
from lamina.errors import TraceError, explain

__all__ = ["categorical", "normal", "set_seed", "shuffle", "truncated_normal", "uniform"]


class _Stream:
    """The seed of the stream and the number of keys used."""

    seed = 0
    counts: Iterator[int] = itertools.count()


def set_seed(seed: int) -> None:
    """Set the seed of the stream and of the initial values of weights."""
    lamina.set_seed(seed)
    _Stream.seed, _Stream.counts = seed, itertools.count()


def _key(name: str, seed: int | None) -> jax.Array:
    """The next key of the stream; in a traced call, a key of the running layer.

    In other traced functions, a key of the stream would be compiled as a constant.
    """
    if is_traced(jnp.zeros(())):
        layer = running()
        if layer is not None:
            return layer.rng() if seed is None else jax.random.fold_in(layer.rng(), seed)
        raise TraceError(
            explain(
                f"tf.random.{name} was called in a traced function, where it would return the "
                "same numbers in each run.",
                expected="random numbers from a key that is an argument",
                received=f"tf.random.{name} in a compiled function",
                remedy=f"Use jax.random.{name}(key, shape) with the key as an argument, or call it "
                "in the call method of a tf.keras.layers.Layer.",
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
    """Uniform random numbers in [minval, maxval). For floats, maxval is 1 by default."""
    key = _key("uniform", seed)
    if not jnp.issubdtype(dtype, jnp.integer):
        high = 1 if maxval is None else maxval
        return jax.random.uniform(key, dims(shape), dtype, minval, high)
    if maxval is None:
        raise ValueError("tf.random.uniform of integers requires maxval")
    return jax.random.randint(key, dims(shape), minval, maxval, dtype)


def normal(
    shape: Dims,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = jnp.float32,
    seed: int | None = None,
) -> jax.Array:
    """Normal random numbers with the given mean and standard deviation."""
    return mean + stddev * jax.random.normal(_key("normal", seed), dims(shape), dtype)


def truncated_normal(
    shape: Dims,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = jnp.float32,
    seed: int | None = None,
) -> jax.Array:
    """Normal random numbers within two standard deviations of the mean."""
    key = _key("truncated_normal", seed)
    return mean + stddev * jax.random.truncated_normal(key, -2.0, 2.0, dims(shape), dtype)


def categorical(
    logits: Value, num_samples: int, dtype: Any = jnp.int32, seed: int | None = None
) -> jax.Array:
    """Sample ids from logits: `[batch, classes] -> [batch, num_samples]`."""
    array = tensor(logits)
    shape = (num_samples, array.shape[0])
    return jax.random.categorical(_key("categorical", seed), array, shape=shape).T.astype(dtype)


def shuffle(value: Value, seed: int | None = None) -> jax.Array:
    """Shuffle along the first axis."""
    return jax.random.permutation(_key("permutation", seed), tensor(value))


def __getattr__(name: str) -> Any:
    raise missing("tf.random", name, __all__)
