"""Attention to a cache equals attention to all positions at once."""

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
    key = jnp.asarray(rng.normal(size=(2, groups, filled + 2, 8)), jnp.float32)
    value = jnp.asarray(rng.normal(size=(2, groups, filled + 2, 6)), jnp.float32)
    query = jnp.asarray(rng.normal(size=(2, 2, 4, 8)), jnp.float32)
    causal = jnp.arange(filled + 2) <= filled + jnp.arange(2)[:, None]
    whole = attend(query, key.swapaxes(1, 2), value.swapaxes(1, 2), causal, scale=0.3)

    def padded(array):
        widths = ((0, 0), (0, 0), (0, slots - filled), (0, 0))
        return jnp.pad(array[:, :, :filled], widths, constant_values=7.0)

    cached = Cached(padded(key), padded(value), jnp.arange(slots) < filled)
    new = Cached(key[:, :, filled:], value[:, :, filled:], jnp.tri(2, dtype=bool))
    found = attend_with_cache(query, cached, new, filled, scale=0.3)
    assert_close(found, whole, rtol=1e-5)


def test_a_query_without_positions_gets_zero():
    x = jnp.ones((1, 1, 2, 4))
    new = Cached(x, x, jnp.array([[False, False], [True, True]]))
    assert attend_new(x.swapaxes(1, 2), new, scale=1.0)[0, :, 0, 0].tolist() == [0.0, 1.0]
