"""Bahdanau's attention against its equation in NumPy, and its gradients by finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.test_util import check_grads

from lamina.seq2seq import BahdanauAttention, DotAttention
from tests.close import assert_close

BATCH, SOURCE, FEATURES, CHANNELS, UNITS = 2, 5, 3, 4, 6


def some(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def built() -> tuple[BahdanauAttention, np.ndarray, np.ndarray, np.ndarray]:
    layer = BahdanauAttention(UNITS)
    query, values = some(BATCH, FEATURES), some(BATCH, SOURCE, CHANNELS, seed=1)
    layer.build(query, values)
    layer.set_values({path: some(*v.shape, seed=9) for path, v in layer.values().items()})
    return layer, query, values, np.asarray([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], bool)


def test_equals_the_equation() -> None:
    layer, query, values, mask = built()
    context, weights = map(np.asarray, layer(query, values, mask))
    held = {path: np.asarray(value) for path, value in layer.values().items()}
    for row in range(BATCH):
        size = int(mask[row].sum())
        scores = [
            np.tanh(query[row] @ held["W1.kernel"] + h @ held["W2.kernel"] + held["W2.bias"])
            @ held["V.kernel"][:, 0]
            for h in values[row, :size]
        ]
        expected = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(weights[row, :size], expected, rtol=1e-5)
        assert (weights[row, size:] == 0).all()
        mean = expected @ values[row, :size]
        np.testing.assert_allclose(context[row], mean, rtol=1e-4, atol=1e-6)


def test_gradients_by_finite_differences() -> None:
    layer, query, values, mask = built()
    held = layer.values()

    def loss(held: dict[str, jax.Array], query: jax.Array, values: jax.Array) -> jax.Array:
        (context, weights), _ = layer.apply(held, query, values, mask)
        return jnp.sum(jnp.sin(context)) + jnp.sum(jnp.cos(weights))

    check_grads(jax.jit(loss), (held, query, values), order=1, modes=["rev"], atol=1e-2, rtol=1e-2)


def test_keys_may_be_given() -> None:
    layer, query, values, mask = built()
    keys = values @ layer.W2.kernel + layer.W2.bias
    np.testing.assert_allclose(keys, layer.keys(values), rtol=1e-5)
    given, own = layer(query, values, mask, keys), layer(query, values, mask)
    for one, other in zip(given, own, strict=True):
        assert_close(one, other, rtol=1e-6)


def test_what_is_behind_the_mask_changes_nothing() -> None:
    layer, query, values, mask = built()
    other = np.where(mask[..., None], values, 99.0).astype("float32")
    for one, same in zip(layer(query, values, mask), layer(query, other, mask), strict=True):
        np.testing.assert_array_equal(one, same)


def test_weights_by_path() -> None:
    layer = BahdanauAttention(UNITS)
    layer.build(query=(None, FEATURES), values=(None, None, CHANNELS))
    assert {path: value.shape for path, value in layer.values().items()} == {
        "W1.kernel": (FEATURES, UNITS),
        "W2.kernel": (CHANNELS, UNITS),
        "W2.bias": (UNITS,),
        "V.kernel": (UNITS, 1),
    }


def test_dot_products_equal_their_equation() -> None:
    layer = DotAttention(UNITS)
    query, values = some(BATCH, FEATURES), some(BATCH, SOURCE, CHANNELS, seed=1)
    mask = np.asarray([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], bool)
    context, weights = layer(query, values, mask)
    scores = np.einsum("bu,bsu->bs", query @ layer.W1.kernel, values @ layer.W2.kernel)
    scores = np.where(mask, scores / np.sqrt(UNITS), -np.inf)
    expected = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    np.testing.assert_allclose(weights, expected, rtol=1e-4, atol=1e-6)
    mean = np.einsum("bs,bsc->bc", expected, values)
    np.testing.assert_allclose(context, mean, rtol=1e-4, atol=1e-5)
    given = layer(query, values, mask, layer.keys(values))
    assert_close(given[1], weights, rtol=1e-6)
