"""Filters and penalties of logits against NumPy, and the frequencies of samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer
from lamina.generation.sampling import nucleus_threshold

LOGITS = np.array([1.5, 0.3, -2.0, 0.9, 1.1, -0.5], "float32")


class Constant(Layer):
    """A model with the same logits at all positions."""

    def call(self, ids):
        return jnp.broadcast_to(jnp.asarray(LOGITS), (*ids.shape, len(LOGITS)))


@pytest.fixture(scope="module")
def model():
    return Constant()


def kept(logits, top_k, top_p):
    """The probabilities after both filters."""
    order = np.argsort(-logits)[: top_k or len(logits)]
    probabilities = np.exp(logits[order]) / np.exp(logits[order]).sum()
    before = np.cumsum(probabilities) - probabilities
    order = order[before < (top_p or 1.0)]
    found = np.zeros(len(logits))
    found[order] = np.exp(logits[order]) / np.exp(logits[order]).sum()
    return found


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(None, 3, None), (0.7, None, None), (None, None, 0.6), (1.4, 5, 0.8), (2.0, None, 0.9)],
)
def test_samples_have_the_probabilities_of_the_filtered_logits(model, temperature, top_k, top_p):
    found = lamina.generate(
        model, [[1]] * 64, 128, temperature=temperature, top_k=top_k, top_p=top_p, rng=3
    )
    counts = np.bincount(np.concatenate(found), minlength=len(LOGITS))
    expected = kept(LOGITS / (temperature or 1.0), top_k, top_p)
    assert counts[expected == 0].sum() == 0
    deviation = np.sqrt(expected * (1 - expected) / counts.sum())
    assert np.all(np.abs(counts / counts.sum() - expected) <= 5 * deviation)


@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.9, 0.999])
def test_the_threshold_is_that_of_sorted_probabilities(top_p):
    logits = np.random.default_rng(0).normal(size=(5, 1000)) * 3
    probabilities = np.asarray(jax.nn.softmax(jnp.asarray(logits, jnp.float32)))
    ordered = -np.sort(-probabilities, -1)
    count = (np.cumsum(ordered.astype("float64"), -1) - ordered < top_p).sum(-1)
    threshold = np.asarray(nucleus_threshold(jnp.asarray(probabilities), top_p))
    found = (probabilities >= threshold).sum(-1)
    assert np.abs(found - count).max() <= 1  # rounding of the sum
