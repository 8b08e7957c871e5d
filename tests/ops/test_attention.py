"""Attention's arithmetic: weights under masks, means of values, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.ops.attention import masked_softmax, weighted_values


def test_weights_sum_to_one_and_skip_what_is_masked() -> None:
    scores = jnp.asarray(np.random.default_rng(0).normal(size=(3, 5)), "float32")
    mask = jnp.asarray([[1, 1, 1, 1, 1], [1, 0, 1, 0, 0], [0, 0, 0, 0, 1]], bool)
    weights = np.asarray(masked_softmax(scores, mask))
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-6)
    assert (weights[~np.asarray(mask)] == 0).all()
    np.testing.assert_allclose(weights[0], jax.nn.softmax(scores[0]), rtol=1e-6)
    kept = np.exp(scores[1, jnp.array([0, 2])])
    np.testing.assert_allclose(weights[1, [0, 2]], kept / kept.sum(), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_row_that_is_all_masked_is_no_nan(dtype) -> None:
    def total(scores: jax.Array) -> jax.Array:
        return (masked_softmax(scores, jnp.zeros((1, 4), bool)) ** 2).sum()

    scores = jnp.arange(4, dtype=dtype)[None]
    weights = masked_softmax(scores, jnp.zeros((1, 4), bool))
    np.testing.assert_array_equal(weights, jnp.full((1, 4), 0.25, dtype))
    assert jnp.isfinite(jax.grad(total)(scores)).all()


def test_the_mean_of_values() -> None:
    rng = np.random.default_rng(1)
    weights, values = rng.normal(size=(2, 3)), rng.normal(size=(2, 3, 4))
    found = weighted_values(jnp.asarray(weights), jnp.asarray(values))
    np.testing.assert_allclose(found, np.einsum("bs,bsf->bf", weights, values), rtol=1e-5)
