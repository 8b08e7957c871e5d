"""Several arrays made one, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.ops.merging import batch_dot, chosen, masked_product, ranked, ranked_masks


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_new_axes_stand_after_the_batch() -> None:
    arrays = [jnp.ones((2, 3)), jnp.ones((2, 4, 5, 3)), jnp.ones((2,))]
    assert [x.shape for x in ranked(arrays)] == [(2, 1, 1, 3), (2, 4, 5, 3), (2, 1, 1, 1)]
    masks = ranked_masks([jnp.ones((2,), bool), None, jnp.ones((), bool)], arrays)
    assert [None if m is None else m.shape for m in masks] == [(2, 1, 1, 1), None, (1, 1, 1, 1)]
    assert [x.shape for x in ranked([jnp.ones(()), jnp.ones(())])] == [(), ()]


@settings(deadline=None, max_examples=8)
@given(st.integers(1, 4), st.integers(0, 2**16))
def test_what_is_hidden_has_no_say(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(4, 3)).astype("float32") for _ in range(count)]
    masks = [rng.random((4, 3)) < 0.6 for _ in range(count)]
    kept = np.any(masks, 0)
    for choose, lowest, reduce in ((jnp.maximum, -np.inf, np.max), (jnp.minimum, np.inf, np.min)):
        hidden = [np.where(m, x, lowest) for x, m in zip(arrays, masks, strict=True)]
        got = chosen(choose, [jnp.asarray(x) for x in arrays], [jnp.asarray(m) for m in masks])
        np.testing.assert_array_equal(np.asarray(got)[kept], reduce(hidden, 0)[kept])
    hidden = [np.where(m, x, 1) for x, m in zip(arrays, masks, strict=True)]
    got = masked_product([jnp.asarray(x) for x in arrays], [jnp.asarray(m) for m in masks])
    np.testing.assert_allclose(got, np.where(kept, np.prod(hidden, 0), 0), rtol=1e-5)


def test_without_masks_all_have_a_say() -> None:
    arrays = [jnp.asarray(normal(4, 3, seed=seed)) for seed in range(3)]
    none = [None] * 3
    np.testing.assert_array_equal(chosen(jnp.maximum, arrays, none), np.max(arrays, 0))
    np.testing.assert_allclose(masked_product(arrays, none), np.prod(arrays, 0), rtol=1e-5)


@pytest.mark.parametrize(
    ("first", "second", "axes", "equation"),
    [
        ((2, 5), (2, 5), (1, 1), "bk,bk->b"),
        ((2, 3, 5), (2, 5), (2, 1), "bik,bk->bi"),
        ((2, 3, 5), (2, 4, 3), (1, 2), "bki,bjk->bij"),
        ((2, 3, 4, 5), (2, 4, 6), (-2, 1), "bikj,bkl->bijl"),
    ],
)
@pytest.mark.parametrize("normalize", [False, True])
def test_dot_products_of_slices(first, second, axes, equation, normalize) -> None:
    x, y = normal(*first), normal(*second, seed=1)
    expected = [x, y]
    if normalize:
        expected = [
            z / np.linalg.norm(z, axis=axis, keepdims=True)
            for z, axis in zip(expected, axes, strict=True)
        ]
    expected = np.einsum(equation, *expected)
    expected = expected[:, None] if expected.ndim == 1 else expected
    got = batch_dot(x, y, axes, normalize=normalize)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_dtypes_meet() -> None:
    assert batch_dot(jnp.ones((2, 3), "bfloat16"), jnp.ones((2, 3)), (1, 1)).dtype == "float32"
    assert batch_dot(jnp.ones((2, 3), "int32"), jnp.ones((2, 3), "int32"), (1, 1)).dtype == "int32"


def test_gradients_do_not_reach_what_is_hidden() -> None:
    x, mask = jnp.array([1.0, 2.0]), jnp.array([False, True])
    y = jnp.array([0.5, 0.5])
    slope = jax.grad(lambda x: chosen(jnp.maximum, [x, y], [mask, None]).sum())(x)
    np.testing.assert_array_equal(slope, [0, 1])
