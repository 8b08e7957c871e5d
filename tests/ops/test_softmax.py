"""The softmax of what a mask leaves, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.ops.softmax import kept_softmax


@settings(deadline=None, max_examples=8)
@given(st.sampled_from([-1, 0, (0, 1), (-1, 0)]), st.integers(0, 2**16))
def test_shares_of_what_is_kept(axis, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, mask = rng.normal(size=(4, 5)).astype("float32") * 3, rng.random((4, 5)) < 0.5
    powers = np.where(mask, np.exp(x.astype("float64")), 0)
    total = powers.sum(axis, keepdims=True)
    expected = np.divide(powers, total, out=np.zeros_like(powers), where=total > 0)
    for given_mask in (mask, mask.astype("float32")):
        np.testing.assert_allclose(kept_softmax(x, axis, given_mask), expected, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int32"])
def test_with_nothing_kept_all_is_zero(dtype: str) -> None:
    y = kept_softmax(jnp.ones((2, 3), dtype), mask=jnp.zeros((2, 3), bool))
    np.testing.assert_array_equal(y, 0)
    assert y.dtype == ("float32" if dtype == "int32" else dtype)


def test_gradients_are_finite_where_nothing_is_kept() -> None:
    mask = jnp.array([[True, False], [False, False]])
    slopes = jax.grad(lambda x: kept_softmax(x, mask=mask)[..., 0].sum())(jnp.ones((2, 2)))
    assert np.isfinite(slopes).all()
