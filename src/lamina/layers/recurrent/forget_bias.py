"""Biases that let a forget gate start open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.initial.sampling import draw
from lamina.initializers import Constant, Initializer, KeyedFunction

__all__ = ["ForgetOnes", "forget_ones"]

_MOST = 1 << 20  # units whose biases are made before it is known that there is room for them


@dataclass(frozen=True)
class ForgetOnes:
    """The biases of four gates, those of the second ones; the others as another initializer has
    them, in parts for the first and for the last two.

    Source: Jozefowicz, Zaremba, Sutskever, An empirical exploration of recurrent network
    architectures, ICML 2015.
    """

    others: Initializer | KeyedFunction

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
        units = shape[0] // 4
        first, rest = jax.random.split(key)
        before, after = self._part(first, units, dtype), self._part(rest, 2 * units, dtype)
        return jnp.concatenate([before, jnp.ones(units, dtype), after])

    def _part(self, key: jax.Array, size: int, dtype: Any) -> jax.Array:
        if not isinstance(self.others, Initializer):
            return jnp.asarray(self.others(key, (size,), dtype))
        first, second = np.asarray(jax.random.key_data(key)).tolist()
        return jnp.asarray(draw(self.others, (size,), dtype, seed=(first, second), path="bias"))


def forget_ones(others: Initializer | KeyedFunction, units: int) -> Initializer | KeyedFunction:
    """An initializer for the biases of four gates of so many units, those of the second ones.

    >>> from lamina.initializers import Zeros
    >>> forget_ones(Zeros(), 1).value.tolist()
    [0.0, 1.0, 0.0, 0.0]
    """
    law = others.distribution_for((units,)) if isinstance(others, Initializer) else None
    if units > _MOST or law is None or law.kind != "constant" or np.ndim(law.value) > 0:
        return ForgetOnes(others)
    value = float(law.value)  # pyright: ignore[reportArgumentType] - one number
    return Constant(np.repeat([value, 1.0, value, value], units))
