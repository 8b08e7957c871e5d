"""The affine map against a plain product."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.ops.dense import dense

SIZES = st.integers(0, 4)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@settings(deadline=None, max_examples=12)
@given(st.lists(SIZES, max_size=3), SIZES, st.integers(1, 4), st.booleans())
def test_any_rank(leading: list[int], features: int, units: int, biased: bool) -> None:
    x, kernel = normal(*leading, features), normal(features, units, seed=1)
    bias = normal(units, seed=2) if biased else None
    expected = x @ kernel + (bias if biased else 0)
    np.testing.assert_allclose(dense(x, kernel, bias), expected, rtol=1e-5, atol=1e-6)


def test_gradients_are_those_of_the_plain_product() -> None:
    operands = normal(2, 5, 3), normal(3, 4, seed=1), normal(4, seed=2)
    ours = jax.grad(lambda x, k, b: jnp.sum(jnp.sin(dense(x, k, b))), (0, 1, 2))(*operands)
    plain = jax.grad(lambda x, k, b: jnp.sum(jnp.sin(x @ k + b)), (0, 1, 2))(*operands)
    for one, other in zip(ours, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_vmap_over_examples_is_the_batch() -> None:
    x, kernel, bias = normal(6, 5, 3), normal(3, 4, seed=1), normal(4, seed=2)
    one_by_one = jax.vmap(lambda example: dense(example, kernel, bias))(x)
    np.testing.assert_allclose(one_by_one, dense(x, kernel, bias), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("x", "kernel", "expected"),
    [
        ("bfloat16", "bfloat16", "bfloat16"),
        ("bfloat16", "float32", "float32"),
        ("int32", "float32", "float32"),
        ("float16", "bfloat16", "float32"),
    ],
)
def test_operands_meet_in_one_dtype(x: str, kernel: str, expected: str) -> None:
    assert dense(jnp.ones((2, 3), x), jnp.ones((3, 4), kernel)).dtype == expected


def test_operands_that_do_not_fit() -> None:
    with pytest.raises(TypeError, match="contracting"):
        dense(normal(2, 3), normal(4, 5))
