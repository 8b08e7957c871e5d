"""Moments and normalisation against NumPy in float64."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.ops.moments import batch_moments, moments
from lamina.ops.normalization import batch_norm, group_norm, layer_norm
from tests.close import assert_close

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@settings(deadline=None, max_examples=6)
@given(SHAPES, st.data())
def test_layer_norm_over_any_axes(shape: list[int], data: st.DataObject) -> None:
    axes = sorted(data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1)))
    signed = [axis - len(shape) * data.draw(st.integers(0, 1)) for axis in axes]
    x = normal(*shape)
    weights = [normal(*(shape[axis] for axis in axes), seed=seed) for seed in (1, 2)]
    spread = [n if axis in axes else 1 for axis, n in enumerate(shape)]
    gamma, beta = (np.reshape(weight, spread) for weight in weights)
    wide = x.astype("float64")
    mean, variance = wide.mean(tuple(axes), keepdims=True), wide.var(tuple(axes), keepdims=True)
    expected = gamma * (wide - mean) / np.sqrt(variance + 1e-2) + beta
    got = layer_norm(x, *weights, axes=signed, epsilon=1e-2)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=6)
@given(SHAPES, st.data())
def test_batch_norm_by_its_own_moments_on_any_axis(shape: list[int], data: st.DataObject) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = normal(*shape)
    others = tuple(a for a in range(len(shape)) if a != axis % len(shape))
    mean, variance = batch_moments(x, axis=axis)
    np.testing.assert_allclose(mean, x.mean(others), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(variance, x.var(others), rtol=1e-4, atol=1e-5)
    got = batch_norm(x, mean, variance, axis=axis)
    expected = x - x.mean(others, keepdims=True)
    expected = expected / np.sqrt(x.var(others, keepdims=True) + 1e-3)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=6)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.data(),
)
def test_group_norm_on_any_axis(
    shape: list[int], groups: int, size: int, data: st.DataObject
) -> None:
    axis, channels = data.draw(st.integers(1, len(shape))), groups * size
    x = normal(*shape[:axis], channels, *shape[axis:])
    gamma, beta = normal(channels, seed=1), normal(channels, seed=2)
    front = np.moveaxis(x.astype("float64"), axis, 1)
    parts = front.reshape(shape[0], groups, -1)
    mean, variance = parts.mean(-1, keepdims=True), parts.var(-1, keepdims=True)
    scaled = ((parts - mean) / np.sqrt(variance + 1e-2)).reshape(front.shape)
    expected = np.moveaxis(scaled, 1, -1) * gamma + beta
    got = group_norm(x, gamma, beta, groups=groups, axis=axis, epsilon=1e-2)
    np.testing.assert_allclose(np.moveaxis(got, axis, -1), expected, rtol=1e-4, atol=1e-5)


def test_a_layer_norm_that_does_not_shift() -> None:
    x = normal(3, 5)
    expected = x / np.sqrt(x.var(-1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(layer_norm(x, shift=False), expected, rtol=1e-4)


def test_masked_moments_are_those_of_what_is_left() -> None:
    x, mask = normal(4, 5, 3), np.random.default_rng(1).random((4, 5)) < 0.6
    spoilt = np.where(mask[..., None], x, np.nan)
    mean, variance = batch_moments(spoilt, mask=mask)
    np.testing.assert_allclose(mean, x[mask].mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variance, x[mask].var(0), rtol=1e-5, atol=1e-6)


def test_gradients_stay_finite_where_the_mask_hides_nan() -> None:
    x = jnp.array([[1.0], [2.0], [jnp.nan]])
    mask = jnp.array([True, True, False])
    gradient = jax.grad(lambda x: batch_moments(x, mask=mask)[1].sum())(x)
    np.testing.assert_allclose(gradient[:, 0], [-0.5, 0.5, 0.0])


def test_nothing_left_to_count() -> None:
    mean, variance = batch_moments(normal(4, 3), mask=np.zeros(4, bool))
    np.testing.assert_array_equal(mean, 0)
    np.testing.assert_array_equal(variance, 0)


def test_a_large_mean_costs_no_precision() -> None:
    x = normal(1000) + 1000
    _, variance = moments(jnp.asarray(x), (0,))
    np.testing.assert_allclose(variance[0], x.astype("float64").var(), rtol=1e-3)
    y = layer_norm(x, epsilon=0.0)
    wide = x.astype("float64")
    np.testing.assert_allclose(y, (wide - wide.mean()) / wide.std(), atol=1e-3)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_types_are_normalised_in_float32(dtype: str) -> None:
    x = jnp.asarray(normal(2, 512) * 300, dtype)  # squares overflow float16
    y = layer_norm(x, jnp.ones(512, dtype), jnp.zeros(512, dtype))
    assert y.dtype == dtype
    wide = np.asarray(x, "float32")
    expected = (wide - wide.mean(-1, keepdims=True)) / wide.std(-1, keepdims=True)
    np.testing.assert_allclose(np.asarray(y, "float32"), expected, rtol=1e-2, atol=1e-2)
    mean, variance = batch_moments(x)
    assert mean.dtype == variance.dtype == "float32"
    assert batch_norm(x, mean, variance).dtype == dtype


def test_whole_numbers_become_float32() -> None:
    assert layer_norm(jnp.arange(6).reshape(2, 3)).dtype == "float32"


@pytest.mark.parametrize("axes", [(-1,), (1,), (0, 2), (0, 1, 2)])
def test_derivatives_of_layer_norm_are_those_of_its_formula(axes: tuple[int, ...]) -> None:
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4, 5)), jnp.float32)
    direction = jnp.cos(7.0 * x)

    def formula(x: jax.Array) -> jax.Array:
        centered = x - x.mean(axes, keepdims=True)
        variance = jnp.square(centered).mean(axes, keepdims=True)
        return jnp.sum(jnp.sin(centered / jnp.sqrt(variance + 1e-3)))

    def ours(x: jax.Array) -> jax.Array:
        return jnp.sum(jnp.sin(layer_norm(x, axes=axes)))

    @functools.partial(jax.jit, static_argnums=0)
    def derivatives(f: Callable[[jax.Array], jax.Array], x: jax.Array):
        gradient, change = jax.jvp(jax.grad(f), (x,), (direction,))
        return gradient, change, jax.jvp(f, (x,), (direction,))[1]

    pairs = zip(derivatives(ours, x), derivatives(formula, x), strict=True)
    for pair, rtol in zip(pairs, (1e-5, 1e-4, 1e-4), strict=True):
        assert_close(*pair, rtol=rtol)


def test_layer_norm_of_nothing_is_nothing() -> None:
    for shape in ((0, 4), (4, 0)):
        assert layer_norm(jnp.zeros(shape)).shape == shape
