"""Scaling by a size, against NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.ops.scaling import rms_norm, singular_value, unit_norm

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@settings(deadline=None, max_examples=6)
@given(SHAPES, st.data())
def test_over_any_axes(shape: list[int], data: st.DataObject) -> None:
    axes = sorted(data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1)))
    signed = [axis - len(shape) * data.draw(st.integers(0, 1)) for axis in axes]
    x = normal(*shape)
    wide = x.astype("float64")
    scale = normal(*(shape[axis] for axis in axes), seed=1)
    spread = scale.reshape([n if axis in axes else 1 for axis, n in enumerate(shape)])
    mean = (wide**2).mean(tuple(axes), keepdims=True)
    got = rms_norm(x, scale, axes=signed, epsilon=1e-2)
    np.testing.assert_allclose(got, spread * wide / np.sqrt(mean + 1e-2), rtol=1e-4, atol=1e-5)
    length = np.sqrt((wide**2).sum(tuple(axes), keepdims=True))
    np.testing.assert_allclose(unit_norm(x, axes=signed), wide / length, rtol=1e-4, atol=1e-5)


def test_what_is_shorter_than_epsilon_is_divided_by_it() -> None:
    y = unit_norm(jnp.array([[3e-3, 4e-3], [0.0, 0.0]]), epsilon=0.1)
    np.testing.assert_allclose(y, [[0.03, 0.04], [0, 0]], rtol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("function", [rms_norm, unit_norm])
def test_half_types_are_scaled_in_float32(function, dtype: str) -> None:
    x = jnp.asarray(normal(2, 512) * 300, dtype)  # squares overflow float16
    y = np.asarray(function(x), "float32")
    assert function(x).dtype == dtype
    size = np.sqrt((np.asarray(x, "float64") ** 2).sum(-1, keepdims=True))
    size = size / np.sqrt(512) if function is rms_norm else size
    np.testing.assert_allclose(y, np.asarray(x, "float64") / size, rtol=1e-2, atol=1e-3)


def test_whole_numbers_become_float32() -> None:
    assert rms_norm(jnp.arange(6).reshape(2, 3)).dtype == "float32"
    assert unit_norm(jnp.arange(6).reshape(2, 3)).dtype == "float32"


@settings(deadline=None, max_examples=5)
@given(st.lists(st.integers(1, 5), min_size=2, max_size=4))
def test_the_largest_singular_value(shape: list[int]) -> None:
    weight = normal(*shape)
    sigma, u = singular_value(weight, jnp.asarray(normal(1, shape[-1], seed=1)), 60)
    matrix = weight.reshape(-1, shape[-1])
    np.testing.assert_allclose(sigma, np.linalg.svd(matrix)[1][0], rtol=3e-2)
    np.testing.assert_allclose(np.linalg.norm(u), 1, rtol=1e-5)


def test_the_gradient_is_that_of_the_singular_value() -> None:
    weight = jnp.asarray(normal(4, 3))
    u = singular_value(weight, jnp.ones((1, 3)), 60)[1]
    slope = jax.grad(lambda weight: singular_value(weight, u)[0])(weight)
    left, _, right = np.linalg.svd(weight)
    np.testing.assert_allclose(slope, np.outer(left[:, 0], right[0]), atol=1e-3)


def test_a_weight_of_zeros() -> None:
    sigma, u = singular_value(jnp.zeros((4, 3)), jnp.ones((1, 3)), 3)
    assert sigma == 1
    np.testing.assert_array_equal(u, 1)
