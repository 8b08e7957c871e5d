"""Dropout: its scale, its key, its noise shape."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.ops.dropout import alpha_dropout, dropout, dropout_factors

KEY = jax.random.key(7)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_kept_elements_are_scaled_so_that_the_mean_stays(rate: float) -> None:
    factors = np.asarray(dropout_factors(KEY, rate, (200, 200)))
    np.testing.assert_allclose(factors[factors > 0], 1 / (1 - rate), rtol=1e-6)
    assert abs(np.mean(factors == 0) - rate) < 0.01


@pytest.mark.parametrize(("rate", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_the_ends(rate: float, expected: float) -> None:
    np.testing.assert_array_equal(dropout(KEY, jnp.ones((3, 4)), rate), np.full((3, 4), expected))


def test_a_key_decides() -> None:
    x = jnp.ones((8, 8))
    first, again = dropout(KEY, x, 0.5), dropout(KEY, x, 0.5)
    other = dropout(jax.random.key(8), x, 0.5)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_noise_shape_drops_along_whole_axes() -> None:
    dropped = np.asarray(dropout(KEY, jnp.ones((50, 7, 3)), 0.5, (None, 1, 3)))
    np.testing.assert_array_equal(dropped, np.broadcast_to(dropped[:, :1], dropped.shape))
    assert 0 < np.mean(dropped == 0) < 1


def test_gradient_flows_through_what_was_kept() -> None:
    x = jnp.ones((8, 8))
    gradient = jax.grad(lambda x: dropout(KEY, x, 0.5).sum())(x)
    np.testing.assert_array_equal(gradient, dropout(KEY, x, 0.5))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_dtype_stays(dtype: str) -> None:
    assert dropout(KEY, jnp.ones((3,), dtype), 0.5).dtype == dtype


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.6])
def test_alpha_dropout_keeps_mean_and_variance(rate: float) -> None:
    x = jax.random.normal(KEY, (300, 300))
    y = np.asarray(alpha_dropout(jax.random.key(1), x, rate))
    assert abs(y.mean()) < 0.02
    assert abs(y.var() - 1) < 0.02


def test_alpha_dropout_puts_what_it_drops_to_one_value() -> None:
    y = np.asarray(alpha_dropout(KEY, jnp.arange(4000.0), 0.25))
    values, counts = np.unique(y, return_counts=True)
    assert abs(counts.max() / 4000 - 0.25) < 0.03
    assert values[counts.argmax()] < 0


def test_whole_numbers_become_floating() -> None:
    y = alpha_dropout(KEY, jnp.arange(10), 0.5)
    assert y.dtype == "float32"
