"""Convolutions against sums written out in NumPy, and against their own gradients."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from lamina.ops.convolution import conv, conv_transpose, depthwise_conv, extent

few = settings(deadline=None, max_examples=6)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def edges(size: int, span: int, stride: int, padding: str) -> tuple[int, int]:
    """Zeros in front and behind one axis."""
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return span - 1, 0
    total = max((-(-size // stride) - 1) * stride + span - size, 0)
    return total // 2, total - total // 2


def written_out(x, kernel, strides, padding, dilation, groups):
    """The sum over taps, channels last, group by group."""
    taps = kernel.shape[:-2]
    spans = [extent(k, d) for k, d in zip(taps, dilation, strict=True)]
    pads = [edges(*each, padding) for each in zip(x.shape[1:-1], spans, strides, strict=True)]
    x = np.pad(x, [(0, 0), *pads, (0, 0)])
    counts = [(n - span) // s + 1 for n, span, s in zip(x.shape[1:-1], spans, strides, strict=True)]
    total = np.zeros((len(x), *counts, kernel.shape[-1]))
    parts = np.split(x, groups, -1)
    filters = np.split(kernel, groups, -1)
    for place in itertools.product(*map(range, taps)):
        cut = tuple(
            slice(k * d, k * d + (count - 1) * s + 1, s)
            for k, d, count, s in zip(place, dilation, counts, strides, strict=True)
        )
        seen = [
            part[(slice(None), *cut)] @ w[place] for part, w in zip(parts, filters, strict=True)
        ]
        total += np.concatenate(seen, -1)
    return total


def first(x):
    return np.moveaxis(x, -1, 1)


@st.composite
def cases(draw):
    rank = draw(st.integers(1, 3))
    per_axis = st.lists(st.integers(1, 3), min_size=rank, max_size=rank)
    taps, dilation, strides = draw(per_axis), draw(per_axis), draw(per_axis)
    room = draw(per_axis)
    sizes = [extent(k, d) + r - 1 for k, d, r in zip(taps, dilation, room, strict=True)]
    return sizes, taps, strides, dilation, draw(st.sampled_from(["valid", "same"]))


@few
@given(cases(), st.sampled_from([(1, 2), (2, 4), (3, 3)]), st.booleans())
def test_conv_is_the_sum_over_taps(case, channels, is_first) -> None:
    (sizes, taps, strides, dilation, padding), (groups, filters) = case, channels
    x = normal(2, *sizes, 2 * groups)
    kernel, bias = normal(*taps, 2, filters, seed=1), normal(filters, seed=2)
    expected = written_out(x, kernel, strides, padding, dilation, groups) + bias
    options = {"strides": strides, "padding": padding, "dilation_rate": dilation}
    if is_first:
        got = conv(first(x), kernel, bias, **options, data_format="channels_first")
        expected = first(expected)
    else:
        got = conv(x, kernel, bias, **options)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@few
@given(st.integers(1, 6), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_causal_conv_sees_no_later_point(size, taps, stride, dilation) -> None:
    x, kernel = normal(1, size, 2), normal(taps, 2, 3, seed=1)
    options = {"strides": (stride,), "padding": "causal", "dilation_rate": (dilation,)}
    got = conv(x, kernel, **options)
    expected = written_out(x, kernel, (stride,), "causal", (dilation,), 1)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    later = jnp.asarray(x).at[:, 1:].add(1.0)
    np.testing.assert_array_equal(conv(later, kernel, **options)[:, 0], got[:, 0])


@few
@given(cases(), st.integers(1, 3))
def test_depthwise_conv_is_a_conv_of_each_channel(case, multiplier) -> None:
    sizes, taps, strides, dilation, padding = case
    options = {"strides": strides, "padding": padding, "dilation_rate": dilation}
    x, kernel = normal(2, *sizes, 3), normal(*taps, 3, multiplier, seed=1)
    got = depthwise_conv(x, kernel, **options)
    each = [conv(x[..., c : c + 1], kernel[..., c : c + 1, :], **options) for c in range(3)]
    np.testing.assert_allclose(got, jnp.concatenate(each, -1), rtol=1e-4, atol=1e-5)


@few
@given(cases(), st.booleans())
def test_conv_transpose_is_the_gradient_of_conv(case, is_first) -> None:
    _, taps, strides, dilation, _ = case
    spans = [extent(k, d) for k, d in zip(taps, dilation, strict=True)]
    y, kernel = normal(2, *[2] * len(taps), 3), normal(*taps, 4, 3, seed=1)
    whole = [s + max(span, s) for span, s in zip(spans, strides, strict=True)]
    options = {"strides": strides, "dilation_rate": dilation}
    # A convolution of a space of that size, of which each window is whole, has y's size.
    _, pull = jax.vjp(lambda x: conv(x, kernel, **options), jnp.zeros((2, *whole, 4)))
    (expected,) = pull(jnp.asarray(y))
    if is_first:
        got = conv_transpose(first(y), kernel, **options, data_format="channels_first")
        expected = first(np.asarray(expected))
    else:
        got = conv_transpose(y, kernel, **options)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("taps", "stride", "dilation"), [(3, 2, 1), (4, 2, 1), (2, 3, 1), (3, 1, 2)]
)
def test_conv_transpose_of_the_same_size_is_a_cut(taps, stride, dilation) -> None:
    y, kernel = normal(1, 5, 2), normal(taps, 3, 2, seed=1)
    options = {"strides": (stride,), "dilation_rate": (dilation,)}
    whole, same = (
        conv_transpose(y, kernel, **options),
        conv_transpose(y, kernel, **options, padding="same"),
    )
    assert same.shape[1] == 5 * stride
    cuts = [whole[:, n : n + 5 * stride] for n in range(whole.shape[1] - 5 * stride + 1)]
    assert any(np.allclose(cut, same, atol=1e-5) for cut in cuts)


def test_conv_transpose_with_output_padding() -> None:
    y, kernel = normal(1, 4, 2), normal(3, 1, 2, seed=1)
    sizes = [
        conv_transpose(y, kernel, strides=(3,), padding=padding, output_padding=(points,)).shape[1]
        for padding in ("valid", "same")
        for points in (0, 1, 2)
    ]
    assert sizes == [12, 13, 14, 10, 11, 12]


def test_gradients_are_those_of_differences() -> None:
    x, kernel, bias = normal(1, 6, 5, 4), normal(3, 2, 2, 4, seed=1), normal(4, seed=2)

    def total(x, kernel, bias):
        y = conv(x, kernel, bias, strides=(2, 1), padding="same")
        z = conv_transpose(y, kernel, strides=(1, 2), dilation_rate=(2, 1))
        return jnp.sum(jnp.sin(z))

    check_grads(jax.jit(total), (x, kernel, bias), 1, ["rev"], atol=2e-2, rtol=2e-2, eps=1e-2)


def test_a_window_larger_than_its_space_leaves_nothing() -> None:
    assert conv(normal(1, 3, 2), normal(5, 2, 4)).shape == (1, 0, 4)


@pytest.mark.parametrize(
    ("x", "kernel", "expected"),
    [
        ("bfloat16", "bfloat16", "bfloat16"),
        ("bfloat16", "float32", "float32"),
        ("uint8", "float32", "float32"),
    ],
)
def test_operands_meet_in_one_dtype(x: str, kernel: str, expected: str) -> None:
    image, taps = jnp.ones((1, 3, 2), x), jnp.ones((2, 2, 2), kernel)
    assert conv(image, taps).dtype == expected
    assert conv_transpose(image, taps).dtype == expected
    assert depthwise_conv(image, taps, jnp.zeros(4, kernel)).dtype == expected


def test_operands_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="feature"):
        conv(normal(1, 3, 4), normal(2, 3, 4))
