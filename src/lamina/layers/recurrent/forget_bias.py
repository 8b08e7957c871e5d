"""The initializer of an LSTM's bias, with ones for the forget gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.initial.sampling import draw
from lamina.initializers import Constant, Initializer, KeyedFunction

__all__ = ["ForgetOnes", "forget_ones"]

_LARGEST_CONSTANT = 1 << 20  # units; biases of more are drawn when the layer is built


@dataclass(frozen=True)
class ForgetOnes:
    """Initializer of the biases of four gates: ones for the second, which is the forget gate.

    Args:
        others: initializer of the other gates, drawn for the first one and for the last two.

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
    """Returns an initializer of the biases of four gates, with ones for the second.

    Args:
        others: initializer of the other gates.
        units: the number of units of each gate.

    >>> from lamina.initializers import Zeros
    >>> forget_ones(Zeros(), 1).value.tolist()
    [0.0, 1.0, 0.0, 0.0]
    """
    distribution = others.distribution_for((units,)) if isinstance(others, Initializer) else None
    constant = (
        distribution is not None
        and distribution.kind == "constant"
        and np.ndim(distribution.value) == 0
    )
    if units > _LARGEST_CONSTANT or distribution is None or not constant:
        return ForgetOnes(others)
    value = float(distribution.value)  # pyright: ignore[reportArgumentType] - a scalar
    return Constant(np.repeat([value, 1.0, value, value], units))
