"""Cross-entropy: numbers, gradients and what happens at the edges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.ops.cross_entropy import binary_cross_entropy, cross_entropy, sparse_cross_entropy

RNG = np.random.default_rng(0)
LOGITS = jnp.asarray(RNG.normal(size=(3, 4, 7)) * 5, jnp.float32)
LABELS = jnp.asarray(RNG.integers(0, 7, size=(3, 4)))
ONE_HOT = jax.nn.one_hot(LABELS, 7)


def plain(logits):
    return -(ONE_HOT * jax.nn.log_softmax(logits)).sum(-1)


def test_sparse_is_dense_with_one_hot_labels():
    ours = sparse_cross_entropy(LABELS, LOGITS)
    np.testing.assert_allclose(ours, plain(LOGITS), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours, cross_entropy(ONE_HOT, LOGITS), rtol=1e-5, atol=1e-6)
    shares = jax.nn.softmax(LOGITS)
    expected = cross_entropy(ONE_HOT, shares, from_logits=False)
    ours = sparse_cross_entropy(LABELS, shares, from_logits=False)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, -2])
def test_classes_may_stand_in_any_axis(axis):
    moved = jnp.moveaxis(LOGITS, -1, axis)
    np.testing.assert_allclose(
        sparse_cross_entropy(LABELS, moved, axis=axis), plain(LOGITS), rtol=1e-5, atol=1e-6
    )


def test_derivatives_of_every_kind():
    def ours(z):
        return jnp.sum(jnp.sin(sparse_cross_entropy(LABELS, z)))

    def theirs(z):
        return jnp.sum(jnp.sin(plain(z)))

    tangent = jnp.cos(LOGITS)
    near = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(
        jax.jit(jax.grad(ours))(LOGITS), jax.jit(jax.grad(theirs))(LOGITS), **near
    )
    jvp = jax.jit(lambda f: jax.jvp(f, (LOGITS,), (tangent,))[1], static_argnums=0)
    np.testing.assert_allclose(jvp(ours), jvp(theirs), **near)
    second = jax.jit(jax.hessian(lambda z: sparse_cross_entropy(LABELS[0, 0], z)))(LOGITS[0, 0])
    p = jax.nn.softmax(LOGITS[0, 0])
    np.testing.assert_allclose(second, jnp.diag(p) - jnp.outer(p, p), **near)
    by_example = jax.vmap(sparse_cross_entropy)(LABELS, LOGITS)
    np.testing.assert_allclose(by_example, plain(LOGITS), **near)


def test_the_gradient_makes_no_scatter():
    text = str(jax.make_jaxpr(jax.grad(lambda z: sparse_cross_entropy(LABELS, z).sum()))(LOGITS))
    assert "scatter" not in text


@pytest.mark.parametrize("from_logits", [True, False])
def test_a_label_that_is_no_class_is_never_clamped(from_logits):
    labels = jnp.array([-1, 0, 6, 7])
    values = sparse_cross_entropy(labels, jnp.ones((4, 7)), from_logits=from_logits)
    assert np.isnan(values).tolist() == [True, False, False, True]


def test_large_logits_stay_finite():
    z = jnp.array([[1e4, -1e4]])
    assert sparse_cross_entropy(jnp.array([0]), z).tolist() == [0.0]
    assert sparse_cross_entropy(jnp.array([1]), z).tolist() == [2e4]
    assert binary_cross_entropy(jnp.array([1.0, 0.0]), jnp.array([1e4, 1e4])).tolist() == [0.0, 1e4]
    tiny = binary_cross_entropy(jnp.array([1.0]), jnp.array([20.0]))
    np.testing.assert_allclose(tiny, np.log1p(np.exp(-20.0)), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_half_precision_is_summed_in_float32(dtype):
    z = LOGITS.astype(dtype)
    for values in (sparse_cross_entropy(LABELS, z), cross_entropy(ONE_HOT, z)):
        assert values.dtype == jnp.float32
        np.testing.assert_allclose(values, plain(z.astype(jnp.float32)), rtol=1e-5, atol=1e-5)
    assert jax.grad(lambda z: sparse_cross_entropy(LABELS, z).sum())(z).dtype == z.dtype
