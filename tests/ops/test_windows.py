"""Maxima and sums over windows against XLA's own, with their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from jax.test_util import check_grads

from lamina.ops.windows import lowest, window_max, window_sum

few = settings(deadline=None, max_examples=15)


@st.composite
def windows(draw):
    rank = draw(st.integers(1, 3))
    sizes = [1] + [draw(st.integers(1, 7)) for _ in range(rank)] + [2]
    window = [1] + [draw(st.integers(1, 3)) for _ in range(rank)] + [1]
    steps = [1] + [draw(st.integers(1, 3)) for _ in range(rank)] + [1]
    return sizes, window, steps, draw(st.sampled_from(["valid", "same"]))


def library(x, window, steps, padding, kind):
    if kind == "max":
        return lax.reduce_window(x, lowest(x.dtype), lax.max, window, steps, padding.upper())
    return lax.reduce_window(x, np.zeros((), x.dtype), lax.add, window, steps, padding.upper())


@few
@given(
    windows(), st.sampled_from(["max", "sum"]), st.sampled_from(["float32", "int32", "bfloat16"])
)
def test_windows_are_those_of_the_library(case, kind, dtype) -> None:
    sizes, window, steps, padding = case
    x = jnp.asarray(np.random.default_rng(0).integers(-3, 4, sizes), dtype)
    function = {"max": window_max, "sum": window_sum}[kind]
    ours = jax.jit(lambda x: function(x, window, steps, padding))(x)
    expected = library(x, window, steps, padding, kind)
    assert ours.dtype == expected.dtype
    np.testing.assert_array_equal(ours, expected)


@few
@given(windows(), st.sampled_from(["max", "sum"]))
def test_gradients_go_to_the_first_of_equal_maxima(case, kind) -> None:
    sizes, window, steps, padding = case
    x = jnp.asarray(np.random.default_rng(0).integers(-1, 2, sizes), "float32")
    ours = {"max": window_max, "sum": window_sum}[kind]
    y = jax.eval_shape(lambda x: library(x, window, steps, padding, kind), x)
    given_ = np.random.default_rng(1).normal(size=y.shape).astype("float32")

    @jax.jit
    def both(x, given_):
        _, pull = jax.vjp(lambda x: ours(x, window, steps, padding), x)
        _, expected = jax.vjp(lambda x: library(x, window, steps, padding, kind), x)
        return pull(given_), expected(given_)

    pulled, expected = both(x, given_)
    np.testing.assert_allclose(pulled[0], expected[0], atol=1e-5)


@pytest.mark.parametrize("function", [window_max, window_sum])
def test_derivatives_of_any_order_and_mode(function) -> None:
    x = jnp.asarray(np.random.default_rng(0).permutation(36).reshape(1, 6, 6, 1) / 20, "float32")
    check_grads(
        lambda x: function(x, [1, 3, 2, 1], [1, 2, 2, 1], "same"),
        (x,),
        2,
        ["fwd", "rev"],
        rtol=1e-2,
    )


def test_large_windows_are_one_operation_of_the_library() -> None:
    program = str(jax.make_jaxpr(lambda x: window_max(x, [65], [1], "valid"))(jnp.zeros(80)))
    assert "reduce_window_max" in program


def test_maxima_that_are_not_numbers_stay() -> None:
    x = jnp.array([1.0, np.nan, 2.0, 3.0])
    np.testing.assert_array_equal(window_max(x, [2], [2], "valid"), [np.nan, 3.0])


def test_integers_within_a_gradient() -> None:
    def total(x):
        return x * window_max(jnp.arange(4), [2], [2], "valid").sum()

    assert jax.grad(total)(2.0) == 4
