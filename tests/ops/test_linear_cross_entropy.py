"""The cross-entropy of a dense layer's outputs: numbers and gradients are those of the logits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from lamina.ops import linear_cross_entropy as module
from lamina.ops.cross_entropy import sparse_cross_entropy
from lamina.ops.dense import dense
from lamina.ops.linear_cross_entropy import linear_cross_entropy


def operands(rows, features, classes, bias=True, dtype="float32"):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, rows).astype("int32")
    weights = rng.normal(size=rows).astype("float32")
    x, kernel = rng.normal(size=(rows, features)), rng.normal(size=(features, classes))
    arrays = [x, kernel, rng.normal(size=classes)] if bias else [x, kernel]
    return labels, weights, *(jnp.asarray(array, dtype) for array in arrays)


def plain(labels, weights, x, kernel, bias=None):
    logits = dense(x, kernel, bias)
    hits = logits.argmax(-1) == labels
    return jnp.vdot(weights, sparse_cross_entropy(labels, logits)), hits


def in_blocks(*operands):
    return linear_cross_entropy(*operands)[0]


def both(given, *, of=None):
    """Values, hits and gradients of all floating operands, from blocks and from all logits."""
    of = of or tuple(range(1, len(given)))
    functions = linear_cross_entropy, plain
    run = jax.jit(lambda *a: [jax.value_and_grad(f, of, has_aux=True)(*a) for f in functions])
    return run(*given)


def small_blocks(monkeypatch, rows, classes):
    monkeypatch.setattr(module, "LEAST_ROWS", 1)
    monkeypatch.setattr(module, "BLOCK", 4 * rows * classes)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, 4, 5, 13])
def test_blocks_of_any_size_give_the_numbers_of_all_logits(monkeypatch, rows, bias):
    small_blocks(monkeypatch, rows, 6)
    ours, theirs = both(operands(13, 3, 6, bias))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), ours, theirs)


@settings(max_examples=8, deadline=None)
@given(*(st.integers(1, 9) for _ in range(4)))
def test_shapes(rows, features, classes, least):
    before = module.LEAST_ROWS, module.BLOCK
    module.LEAST_ROWS, module.BLOCK = least, 1
    try:
        ours, theirs = both(operands(rows, features, classes))
    finally:
        module.LEAST_ROWS, module.BLOCK = before
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), ours, theirs)


def test_gradients_are_finite_differences(monkeypatch):
    small_blocks(monkeypatch, 2, 4)
    labels, *rest = operands(5, 3, 4)
    check_grads(lambda *a: in_blocks(labels, *a), rest, 1, modes="rev", atol=1e-2, rtol=1e-2)


def test_sums_are_in_float32_and_gradients_in_the_dtype_of_the_operands(monkeypatch):
    small_blocks(monkeypatch, 4, 6)
    ((value, _), gradients), ((expected, _), wanted) = both(operands(13, 3, 6, dtype="bfloat16"))
    assert value.dtype == "float32" and [g.dtype for g in gradients[1:]] == ["bfloat16"] * 3
    np.testing.assert_allclose(value, expected, rtol=5e-3)  # XLA need not round the logits
    for ours, theirs in zip(gradients, wanted, strict=True):
        scale = float(jnp.abs(theirs).max())
        np.testing.assert_allclose(
            np.asarray(ours, "float32"), np.asarray(theirs, "float32"), atol=0.02 * scale
        )


def test_gradients_in_half_precision_are_summed_in_float32(monkeypatch):
    """In bfloat16, 256 + 1 is 256: a sum over more blocks than that would stop growing."""
    small_blocks(monkeypatch, 1, 4)
    labels, weights, x = np.zeros(1024, "int32"), np.ones(1024, "float32"), jnp.ones((1024, 2))
    given = labels, weights, x.astype("bfloat16"), jnp.zeros((2, 4), "bfloat16")
    (_, _), (of_kernel, of_bias) = jax.jit(
        lambda *a: jax.value_and_grad(linear_cross_entropy, (3, 4), has_aux=True)(*a)
    )(*given, jnp.zeros(4, "bfloat16"))
    exact = 1024 * np.array([-0.75, 0.25, 0.25, 0.25])
    np.testing.assert_allclose(np.asarray(of_bias, "float32"), exact)
    np.testing.assert_allclose(np.asarray(of_kernel, "float32"), [exact] * 2)


def test_a_label_that_is_no_class_gives_nan_and_no_gradient():
    labels, *rest = operands(3, 2, 4)
    for wrong in (-1, 4):
        labels[1] = wrong
        ((value, _), gradients), ((_, _), expected) = both((labels, *rest))
        assert jnp.isnan(value)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), gradients, expected)


def test_rows_that_do_not_count_have_no_part_where_a_class_is_switched_off(monkeypatch):
    """A bias of -inf gives an infinite loss for class 0, also to the rows that fill a block."""
    small_blocks(monkeypatch, 4, 6)
    labels, weights, x, kernel, bias = operands(5, 3, 6)
    labels, bias = np.maximum(labels, 1), bias.at[0].set(-jnp.inf)
    ours, theirs = both((labels, weights, x, kernel, bias))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), ours, theirs)
    labels[1], weights[1], kept = 0, 0, jnp.arange(5) != 1
    value = linear_cross_entropy(labels, weights, x, kernel, bias, kept)[0]
    rest = plain(np.delete(labels, 1), np.delete(weights, 1), x[kept], kernel, bias)[0]
    np.testing.assert_allclose(value, rest, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_first_of_equal_logits_counts(dtype):
    labels, weights, x = np.arange(4, dtype="int32"), np.ones(4, "float32"), jnp.ones((4, 2), dtype)
    kernel = jnp.asarray([[0, 1, 1, 0], [0, 1, 1, 0]], dtype)
    run = jax.jit(lambda *a: jax.value_and_grad(linear_cross_entropy, 2, has_aux=True)(*a)[0][1])
    for hits in (
        run(labels, weights, x, kernel),
        linear_cross_entropy(labels, weights, x, kernel)[1],
    ):
        assert hits.tolist() == [False, True, False, False]


def test_no_array_holds_all_logits(monkeypatch):
    small_blocks(monkeypatch, 4, 50)
    given = operands(40, 3, 50)
    program = jax.make_jaxpr(jax.value_and_grad(in_blocks, (2, 3, 4)))(*given)
    assert "[40,50]" not in str(program) and "[4,50]" in str(program)
