"""Pooling against NumPy, window by window."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from lamina.ops.adaptive_pooling import adaptive_average_pool, adaptive_max_pool
from lamina.ops.pooling import average_pool, global_average_pool, global_max_pool, max_pool

few = settings(deadline=None, max_examples=6)
POOLS = [(max_pool, np.max), (average_pool, np.mean)]
ADAPTIVE = [(adaptive_max_pool, np.max), (adaptive_average_pool, np.mean)]


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def first(x):
    return np.moveaxis(x, -1, 1)


def windows(size: int, span: int, step: int, padding: str) -> list[slice]:
    """The real points of each window of an axis."""
    if padding == "valid":
        return [slice(n * step, n * step + span) for n in range(max((size - span) // step + 1, 0))]
    count = -(-size // step)
    before = max((count - 1) * step + span - size, 0) // 2
    starts = [n * step - before for n in range(count)]
    return [slice(max(start, 0), min(start + span, size)) for start in starts]


def pooled(x, cuts, reduce):
    """One reduction for each combination of cuts, channels last."""
    space = tuple(range(1, x.ndim - 1))
    each = [reduce(x[(slice(None), *place)], space) for place in itertools.product(*cuts)]
    return np.stack(each, 1).reshape(len(x), *map(len, cuts), x.shape[-1])


@pytest.mark.parametrize(("pool", "reduce"), POOLS)
@few
@given(st.integers(1, 3), st.data())
def test_each_window(pool, reduce, rank, data) -> None:
    per_axis = st.lists(st.integers(1, 4), min_size=rank, max_size=rank)
    spans, steps, room = (data.draw(per_axis) for _ in range(3))
    padding = data.draw(st.sampled_from(["valid", "same"]))
    x = normal(2, *[span + more - 1 for span, more in zip(spans, room, strict=True)], 3)
    cuts = [windows(*each, padding) for each in zip(x.shape[1:-1], spans, steps, strict=True)]
    expected = pooled(x, cuts, reduce)

    @jax.jit
    def both(x, moved):
        last = pool(x, spans, steps, padding=padding)
        return last, pool(moved, spans, steps, padding=padding, data_format="channels_first")

    got, moved = both(x, first(x))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(moved, first(expected), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("pool", "reduce"), ADAPTIVE)
@few
@given(st.integers(1, 3), st.data())
def test_as_many_windows_as_are_asked_for(pool, reduce, rank, data) -> None:
    per_axis = st.lists(st.integers(1, 7), min_size=rank, max_size=rank)
    sizes, counts = data.draw(per_axis), data.draw(per_axis)
    x = normal(2, *sizes, 3)
    cuts = [
        [slice(p * n // m, -(-(p + 1) * n // m)) for p in range(m)]
        for n, m in zip(sizes, counts, strict=True)
    ]
    expected = pooled(x, cuts, reduce)

    @jax.jit
    def both(x, moved):
        return pool(x, counts), pool(moved, counts, data_format="channels_first")

    got, moved = both(x, first(x))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(moved, first(expected), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("pool", [global_max_pool, global_average_pool])
def test_all_of_space(pool, keepdims) -> None:
    x = normal(2, 3, 4, 5)
    reduce = np.max if pool is global_max_pool else np.mean
    expected = reduce(x, (1, 2), keepdims=keepdims)
    np.testing.assert_allclose(pool(jnp.asarray(x), keepdims=keepdims), expected, rtol=1e-5)
    expected = reduce(x, (2, 3), keepdims=keepdims)
    got = pool(jnp.asarray(x), keepdims=keepdims, data_format="channels_first")
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_a_mean_of_what_a_mask_leaves() -> None:
    x, mask = normal(3, 5, 2), np.random.default_rng(1).random((3, 5)) < 0.6
    mask[2] = False
    spoilt = np.where(mask[..., None], x, np.nan)
    got = global_average_pool(spoilt, mask)
    for row in (0, 1):
        np.testing.assert_allclose(got[row], x[row][mask[row]].mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(got[2], 0)
    got = global_average_pool(first(spoilt), mask, keepdims=True, data_format="channels_first")
    assert got.shape == (3, 2, 1) and np.isfinite(got).all()
    slope = jax.grad(lambda x: global_average_pool(x, mask).sum())(jnp.asarray(spoilt))
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int32", "uint8"])
def test_dtypes(dtype) -> None:
    x = np.arange(12).reshape(1, 6, 2).astype(jnp.dtype(dtype))
    mean = dtype if "float" in dtype else "float32"

    @jax.jit
    def pools(x):
        windows = [pool(x, [4], [1], padding="same") for pool in (max_pool, average_pool)]
        whole = [pool(x) for pool in (global_max_pool, global_average_pool)]
        return windows, whole, [pool(x, [4]) for pool in (adaptive_max_pool, adaptive_average_pool)]

    for largest, average in pools(x):
        assert (largest.dtype, average.dtype) == (dtype, mean)
    np.testing.assert_array_equal(max_pool(x, [2])[0, :, 0], [2, 6, 10])


def test_a_mean_of_half_types_adds_up_in_float32() -> None:
    x = jnp.full((1, 4096, 1), 60.0, "float16")  # the sum overflows float16
    for mean in (average_pool(x, [4096]), global_average_pool(x), adaptive_average_pool(x, [1])):
        assert mean.ravel().tolist() == [60.0]


def test_gradients_are_those_of_differences() -> None:
    x = normal(1, 5, 4, 2)

    def total(x):
        y = average_pool(x, (3, 2), (2, 1), padding="same")
        z = adaptive_average_pool(y, (2, 3)) + max_pool(x, (4, 2), (1, 1))[:, :, :3]
        return jnp.sum(jnp.sin(z + adaptive_max_pool(x, (2, 3))))

    check_grads(jax.jit(total), (x,), 1, ["rev"], atol=2e-2, rtol=2e-2, eps=1e-3)


def test_no_room_leaves_nothing() -> None:
    x = jnp.ones((1, 3, 2))
    assert max_pool(x, [4]).shape == average_pool(x, [4]).shape == (1, 0, 2)
    nothing = x[:, :0]
    assert global_max_pool(nothing).shape == (1, 2)
    assert adaptive_max_pool(nothing, [2]).shape == (1, 2, 2)
