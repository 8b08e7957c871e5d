"""Padding, cropping and refining against NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from lamina.ops.spatial import crop, spatial_axes, upsample, zero_pad

few = settings(deadline=None, max_examples=8)


@st.composite
def arrays(draw):
    shape = draw(st.lists(st.integers(1, 4), min_size=3, max_size=5))
    data_format = draw(st.sampled_from(["channels_last", "channels_first"]))
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    return x, data_format, spatial_axes(x.ndim, data_format)


@few
@given(arrays(), st.data())
def test_padding_and_cropping(case, data) -> None:
    x, data_format, axes = case
    pair = st.tuples(st.integers(0, 3), st.integers(0, 3))
    pairs = [data.draw(pair) for _ in axes]
    widths = [(0, 0)] * x.ndim
    for axis, one in zip(axes, pairs, strict=True):
        widths[axis] = one
    padded = zero_pad(jnp.asarray(x), pairs, data_format=data_format)
    np.testing.assert_array_equal(padded, np.pad(x, widths))
    np.testing.assert_array_equal(crop(padded, pairs, data_format=data_format), x)


@few
@given(arrays(), st.data())
def test_refining_repeats(case, data) -> None:
    x, data_format, axes = case
    factors = [data.draw(st.integers(1, 3)) for _ in axes]
    expected = x
    for axis, factor in zip(axes, factors, strict=True):
        expected = np.repeat(expected, factor, axis)
    got = upsample(jnp.asarray(x), factors, data_format=data_format)
    np.testing.assert_array_equal(got, expected)


def test_refining_between_points() -> None:
    x = jnp.array([0.0, 4.0]).reshape(1, 2, 1)
    fine = upsample(x, [2], interpolation="bilinear")
    assert fine[0, :, 0].tolist() == [0.0, 1.0, 3.0, 4.0]
    whole = upsample(x.astype("int32"), [2], interpolation="bilinear")
    assert whole.dtype == "float32"


def test_more_cut_than_there_is_leaves_nothing() -> None:
    assert crop(jnp.ones((1, 3, 2)), [(2, 2)]).shape == (1, 0, 2)
    assert crop(jnp.ones((1, 3, 2)), [(5, 0)]).shape == (1, 0, 2)


@pytest.mark.parametrize("dtype", ["bfloat16", "int8", "bool"])
def test_dtypes_stay(dtype) -> None:
    x = jnp.ones((1, 3, 2), dtype)
    for y in (zero_pad(x, [(1, 1)]), crop(x, [(1, 1)]), upsample(x, [2])):
        assert y.dtype == dtype


def test_gradients_are_those_of_differences() -> None:
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 3, 2)), "float32")

    def total(x):
        return jnp.sum(jnp.sin(crop(upsample(zero_pad(x, [(1, 2)]), [2]), [(1, 3)])))

    check_grads(total, (x,), 1, ["rev"], atol=2e-2, rtol=2e-2, eps=1e-2)
