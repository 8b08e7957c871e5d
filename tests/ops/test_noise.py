"""Noise: its mean and deviation, its key, its dtype."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.ops.noise import gaussian_dropout, gaussian_noise

KEY = jax.random.key(7)
X = jnp.linspace(-3, 3, 40000)


@pytest.mark.parametrize("stddev", [0.0, 0.5, 3.0])
def test_added_noise(stddev: float) -> None:
    noise = np.asarray(gaussian_noise(KEY, X, stddev) - X)
    np.testing.assert_allclose(noise.mean(), 0, atol=0.03 * stddev + 1e-6)
    np.testing.assert_allclose(noise.std(), stddev, rtol=0.02, atol=1e-6)


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.7])
def test_multiplied_noise(rate: float) -> None:
    factors = np.asarray(gaussian_dropout(KEY, jnp.ones(40000), rate))
    np.testing.assert_allclose(factors.mean(), 1, atol=0.03)
    np.testing.assert_allclose(factors.var(), rate / (1 - rate), rtol=0.04, atol=1e-6)


@pytest.mark.parametrize("function", [gaussian_noise, gaussian_dropout])
def test_a_key_decides(function) -> None:
    np.testing.assert_array_equal(function(KEY, X, 0.5), function(KEY, X, 0.5))
    assert (function(KEY, X, 0.5) != function(jax.random.key(8), X, 0.5)).any()


@pytest.mark.parametrize("function", [gaussian_noise, gaussian_dropout])
@pytest.mark.parametrize(
    ("dtype", "expected"), [("float16", "float16"), ("bfloat16", "bfloat16"), ("int32", "float32")]
)
def test_dtypes(function, dtype: str, expected: str) -> None:
    assert function(KEY, jnp.ones((3,), dtype), 0.5).dtype == expected
