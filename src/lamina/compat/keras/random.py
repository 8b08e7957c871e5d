"""`keras.random`: random numbers from a seed, a `SeedGenerator`, or the key of the running layer.

An integer seed gives the same numbers in each call. Outside of compiled calls the numbers equal
those of Keras on JAX.

>>> from lamina.compat import keras
>>> keras.random.normal((2, 3), seed=1).shape
(2, 3)
"""

from __future__ import annotations

import random as python_random
from typing import Any

import jax
import jax.core
import jax.numpy as jnp

from lamina.compat.keras.missing import missing
from lamina.compat.keras.ops.creation import convert_to_tensor
from lamina.compat.tf.running_layer import running
from lamina.errors import InputError, TraceError, explain

__all__ = [
    "SeedGenerator",
    "beta",
    "binomial",
    "categorical",
    "dropout",
    "gamma",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
]

_random: Any = jax.random
Shape = tuple[int, ...]
_PRIME, _RANGE = 5387, 933199


class SeedGenerator:
    """A stream of seeds: each draw with it as `seed` gives other numbers.

    In a compiled call of a layer, the draws come from the key of the call and the initial seed.

    Args:
        seed: int, the initial seed. Default None: a random one.
        name: str, the name. Default None: that of the class.

    Raises:
        InputError: the seed is no integer.

    >>> seeds = SeedGenerator(3)
    >>> seeds.next().tolist(), seeds.next().tolist()
    ([3, 0], [3, 1])
    """

    _draws_from_calls = True

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        if seed is not None and not isinstance(seed, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(_no_seed(seed))
        self.name = name or "seed_generator"
        self._initial_seed = seed
        self._start = python_random.randint(1, int(1e9)) if seed is None else seed
        self._count = 0
        self._mixed: tuple[int, int] | None = None

    @property
    def state(self) -> jax.Array:
        """The seed and the count of the next draw, ``[2]``."""
        first, second = self._mixed or (self._start, self._count)
        return jnp.asarray([first & 0xFFFFFFFF, second], jnp.uint32)

    def next(self, ordered: bool = True) -> jax.Array:
        """The next seed, as the data ``[2]`` of a key of `jax.random`.

        Args:
            ordered: whether the seeds are those of a count. Default True.

        Raises:
            TraceError: a compiled function that is no call of a layer draws.
        """
        if _is_compiled():
            layer = running()
            if layer is None:
                raise TraceError(_no_key("a SeedGenerator"))
            return jax.random.key_data(jax.random.fold_in(layer.rng(), self._start & 0xFFFFFFFF))
        seed, (first, second) = self.state, self._mixed or (self._start, self._count)
        if ordered:
            self._count += 1
        else:
            self._mixed = (first + 1) * _PRIME % _RANGE, (second + 1) * _PRIME % _RANGE
        return seed

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"seed": self._initial_seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        """Make a generator from :meth:`get_config`."""
        return cls(**config)


class _Global:
    """The generator of draws without a seed, and that of the keys of layers' calls."""

    generator: SeedGenerator | None = None
    keys: SeedGenerator | None = None


def set_global_seed(seed: int | None) -> None:
    """Start the draws without a seed at a seed; None for a random one."""
    _Global.generator = None if seed is None else SeedGenerator(seed)
    _Global.keys = None if seed is None else SeedGenerator(seed + 1)


def next_key() -> jax.Array:
    """The next random key of calls of layers."""
    if _Global.keys is None:
        _Global.keys = SeedGenerator()
    return _random.wrap_key_data(_Global.keys.next(), impl="threefry2x32")


def _is_compiled() -> bool:
    return isinstance(jnp.zeros(()), jax.core.Tracer)


def _key(seed: Any) -> Any:
    """The data of the key of a draw.

    Raises:
        InputError: the seed is neither an integer nor a generator.
        TraceError: a draw without a seed in a compiled function that is no call of a layer.
    """
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if isinstance(seed, jax.Array):
        return seed
    if isinstance(seed, int):
        return jnp.asarray([seed & 0xFFFFFFFF, 0], jnp.uint32)
    if seed is not None:
        raise InputError(_no_seed(seed))
    if _is_compiled():
        layer = running()
        if layer is None:
            raise TraceError(_no_key("a draw without a seed"))
        return jax.random.key_data(layer.rng())
    if _Global.generator is None:
        _Global.generator = SeedGenerator()
    return _Global.generator.next(ordered=False)


def _no_seed(seed: Any) -> str:
    return explain(
        "A random function received an invalid seed.",
        expected="an integer, a keras.random.SeedGenerator or None",
        received=repr(seed)[:200],
        remedy="Pass an integer.",
    )


def _invalid(function: str, expected: str, received: Any) -> str:
    return explain(
        f"{function} received an invalid argument.",
        expected=expected,
        received=str(received),
        remedy=f"Pass {expected}.",
    )


def _no_key(received: str) -> str:
    return explain(
        "A compiled function draws random numbers that would be the same in each run.",
        expected="draws inside the call of a keras.Layer, or with an integer seed",
        received=received,
        remedy="Draw in the call method of a keras.Layer.",
    )


def normal(
    shape: Shape, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None
) -> jax.Array:
    """Normal random numbers."""
    return jax.random.normal(_key(seed), shape, dtype or jnp.float32) * stddev + mean


def uniform(
    shape: Shape, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None
) -> jax.Array:
    """Uniform random numbers in [minval, maxval); integers if the dtype is one of integers."""
    kind = jnp.dtype(dtype or jnp.float32)
    if jnp.issubdtype(kind, jnp.integer):
        return jax.random.randint(_key(seed), shape, int(minval), int(maxval), kind)
    return jax.random.uniform(_key(seed), shape, kind, minval, maxval)


def randint(
    shape: Shape, minval: Any, maxval: Any, dtype: Any = "int32", seed: Any = None
) -> jax.Array:
    """Random integers in [minval, maxval)."""
    if not jnp.issubdtype(dtype, jnp.integer):
        raise InputError(_invalid("keras.random.randint", "an integer dtype", dtype))
    return jax.random.randint(_key(seed), shape, minval, maxval, dtype)


def truncated_normal(
    shape: Shape, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None
) -> jax.Array:
    """Normal random numbers within two standard deviations of the mean."""
    key = _key(seed)
    return jax.random.truncated_normal(key, -2.0, 2.0, shape, dtype or jnp.float32) * stddev + mean


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> jax.Array:
    """Sample ids from logits: `[batch, classes] -> [batch, num_samples]`."""
    logits = convert_to_tensor(logits)
    if logits.ndim != 2:
        raise InputError(_invalid("keras.random.categorical", "[batch, classes]", logits.shape))
    shape = (logits.shape[0], num_samples)
    return jax.random.categorical(_key(seed), logits[..., None], axis=1, shape=shape).astype(dtype)


def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> jax.Array:
    """Set elements to zero with a probability, and divide the others by that of being kept."""
    x = convert_to_tensor(inputs)
    if rate in (0, 1):
        return jnp.zeros_like(x) if rate else x
    sizes = x.shape if noise_shape is None else noise_shape
    sizes = [own if size is None else size for size, own in zip(sizes, x.shape, strict=True)]
    kept = jax.random.bernoulli(_key(seed), 1.0 - rate, tuple(sizes))
    return jnp.where(kept, x / (1.0 - rate), jnp.zeros_like(x))


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> jax.Array:
    """Shuffle each row along an axis, independently of the others."""
    return jax.random.permutation(_key(seed), convert_to_tensor(x), axis, independent=True)


def gamma(shape: Shape, alpha: Any, dtype: Any = None, seed: Any = None) -> jax.Array:
    """Random numbers of the gamma distribution with a shape of `alpha` and a scale of 1."""
    return jax.random.gamma(_key(seed), alpha, shape, dtype or jnp.float32)


def binomial(
    shape: Shape, counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None
) -> jax.Array:
    """The numbers of successes in `counts` trials."""
    n, p = jnp.asarray(counts), jnp.asarray(probabilities)
    draw: Any = jax.random.binomial
    return draw(_key(seed), n, p, shape=shape, dtype=dtype or jnp.float32)


def beta(shape: Shape, alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> jax.Array:
    """Random numbers of the beta distribution."""
    first, second = jnp.asarray(alpha), jnp.asarray(beta)
    return jax.random.beta(_key(seed), first, second, shape, dtype or jnp.float32)


def __getattr__(name: str) -> Any:
    raise missing("keras.random", name, __all__)
