"""Dropout: its scale, its key, its noise shape."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.ops.dropout import alpha_dropout, dropout, dropout_factors, scaled
from tests.close import assert_close

KEY = jax.random.key(7)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_kept_elements_are_scaled_so_that_the_mean_stays(rate: float) -> None:
    factors = np.asarray(dropout_factors(KEY, rate, (200, 200)))
    assert_close(factors[factors > 0], 1 / (1 - rate), rtol=1e-6)
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


SPOILT = jnp.where(jnp.arange(400).reshape(20, 20) % 3 == 0, jnp.inf, jnp.nan)
SHAPES = [None, (20, 1), (1, None)]


@pytest.mark.parametrize("noise_shape", SHAPES)
@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("drop", [dropout, alpha_dropout])
def test_what_is_dropped_does_not_matter(drop, jit: bool, noise_shape) -> None:
    def run(x):
        return drop(KEY, x, 0.5, noise_shape)

    run = jax.jit(run) if jit else run
    dropped = np.asarray(drop(KEY, jnp.full((20, 20), 7.0), 0.5, noise_shape)) < 5
    assert dropped.any() and not dropped.all()
    found = np.asarray(run(SPOILT))
    np.testing.assert_array_equal(found[dropped], np.asarray(run(jnp.ones((20, 20))))[dropped])
    assert not np.isfinite(found[~dropped]).any()
    through = jax.vjp(run, SPOILT)[1](SPOILT)[0]
    np.testing.assert_array_equal(np.asarray(through)[dropped], 0)


@pytest.mark.parametrize("noise_shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
def test_finite_numbers_are_those_of_a_product(rate: float, dtype: str, noise_shape) -> None:
    x = jax.random.normal(jax.random.key(1), (20, 20)).astype(dtype)
    shape = (20, 20) if noise_shape is None else tuple(s or 20 for s in noise_shape)
    factors = dropout_factors(KEY, rate, shape, dtype)
    np.testing.assert_array_equal(dropout(KEY, x, rate, noise_shape), x * factors)
    np.testing.assert_array_equal(scaled(x, factors), x * factors)


def test_factors_of_zero_drop_infinity_and_its_gradients() -> None:
    factors = dropout_factors(KEY, 0.5, (20, 20))
    dropped = np.asarray(factors) == 0
    values, pull = jax.vjp(scaled, SPOILT, factors)
    for array in (values, pull(SPOILT)[0]):
        np.testing.assert_array_equal(np.asarray(array)[dropped], 0)
        assert not np.isfinite(np.asarray(array)[~dropped]).any()
