"""The loss of ids against its definition with one-hot labels."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from lamina.seq2seq import smoothed_cross_entropy

LABELS = np.asarray([[0, 3, 2], [4, 4, 1]], "int32")
LOGITS = (np.random.default_rng(0).normal(size=(2, 3, 5)) * 3).astype("float32")


@functools.partial(jax.jit, static_argnums=1)
def reference(logits: jax.Array, smoothing: float) -> jax.Array:
    wanted = (1 - smoothing) * jax.nn.one_hot(LABELS, 5) + smoothing / 5
    return -(wanted * jax.nn.log_softmax(logits)).sum(-1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_equals_its_definition(smoothing) -> None:
    losses, right = smoothed_cross_entropy(LABELS, LOGITS, smoothing)
    np.testing.assert_allclose(losses, reference(LOGITS, smoothing), rtol=1e-5)
    np.testing.assert_array_equal(right, LOGITS.argmax(-1) == LABELS)
    weights = np.arange(6, dtype="float32").reshape(2, 3)
    slope, expected = (
        jax.jit(jax.grad(lambda logits, loss=loss: (loss(logits) * weights).sum()))(LOGITS)
        for loss in (
            lambda logits: smoothed_cross_entropy(LABELS, logits, smoothing)[0],
            lambda logits: reference(logits, smoothing),
        )
    )
    np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-5)


def test_gradients_by_finite_differences() -> None:
    def loss(logits: jax.Array) -> jax.Array:
        return smoothed_cross_entropy(LABELS, logits, 0.2)[0].sum()

    check_grads(jax.jit(loss), (LOGITS,), order=1, modes=["rev"], atol=2e-2, rtol=2e-2)


def test_large_logits_do_not_overflow() -> None:
    losses, _ = smoothed_cross_entropy(jnp.asarray([0, 1]), jnp.asarray([[900.0, 0.0]] * 2))
    assert losses.tolist() == [0, 900]


def test_half_precision_is_summed_in_single() -> None:
    losses, _ = smoothed_cross_entropy(LABELS, LOGITS.astype("bfloat16"), 0.1)
    assert losses.dtype == jnp.float32
    np.testing.assert_allclose(losses, reference(LOGITS, 0.1), rtol=0.05)
    slope = jax.jit(jax.grad(lambda z: smoothed_cross_entropy(LABELS, z)[0].sum()))(
        LOGITS.astype("bfloat16")
    )
    assert slope.dtype == jnp.bfloat16


def test_an_unknown_label_is_nan() -> None:
    losses, _ = smoothed_cross_entropy(jnp.asarray([5, -1, 0]), jnp.zeros((3, 5)))
    assert np.isnan(losses).tolist() == [True, True, False]


def test_mapped_and_compiled() -> None:
    mapped = jax.vmap(lambda labels, logits: smoothed_cross_entropy(labels, logits, 0.1)[0])
    np.testing.assert_allclose(jax.jit(mapped)(LABELS, LOGITS), reference(LOGITS, 0.1), rtol=1e-5)
