"""Attention to a cache equals attention to all positions at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.ops.attention import attend
from lamina.ops.cached_attention import Cached, attend_new, attend_with_cache
from tests.close import assert_close


@pytest.mark.parametrize(("filled", "slots"), [(5, 9), (100, 300), (128, 300), (129, 300)])
@pytest.mark.parametrize("groups", [4, 2])
def test_new_positions_attend_to_the_filled_slots(filled, slots, groups):
    rng = np.random.default_rng(0)
    key = rng.normal(size=(2, groups, filled + 2, 8)).astype("float32")
    value = rng.normal(size=(2, groups, filled + 2, 6)).astype("float32")
    query = rng.normal(size=(2, 2, 4, 8)).astype("float32")
    causal = np.arange(filled + 2) <= filled + np.arange(2)[:, None]

    def padded(array):
        widths = ((0, 0), (0, 0), (0, slots - filled), (0, 0))
        return np.pad(array[:, :, :filled], widths, constant_values=7.0)

    cached = Cached(padded(key), padded(value), np.arange(slots) < filled)
    new = Cached(key[:, :, filled:], value[:, :, filled:], np.tri(2, dtype=bool))

    @jax.jit
    def both(query, key, value, cached, new):
        whole = attend(query, key, value, causal, scale=0.3)
        return attend_with_cache(query, cached, new, filled, scale=0.3), whole

    found, whole = both(query, key.swapaxes(1, 2), value.swapaxes(1, 2), cached, new)
    assert_close(found, whole, rtol=1e-5)


def test_a_query_without_positions_gets_zero():
    x = jnp.ones((1, 1, 2, 4))
    new = Cached(x, x, jnp.array([[False, False], [True, True]]))
    assert attend_new(x.swapaxes(1, 2), new, scale=1.0)[0, :, 0, 0].tolist() == [0.0, 1.0]
