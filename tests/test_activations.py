"""Activations against Keras on JAX."""

import functools
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from lamina import activations
from lamina.errors import InputError, UnknownNameError

X = np.random.default_rng(0).normal(size=(6, 8)).astype("float32") * 4
X[0, :4] = [0.0, 6.0, -3.0, 0.5]

HALF = jax.ShapeDtypeStruct((6, 8), jnp.bfloat16)

NAMES = sorted(activations._KNOWN)


@pytest.mark.parametrize("name", NAMES)
def test_numbers_and_gradients_are_those_of_keras(name):
    both = (activations.get(name), getattr(keras.activations, name))

    @jax.jit
    def values_and_slopes(x):
        pulled = [jax.vjp(f, x) for f in both]
        return [(y, pull(jnp.cos(y))[0]) for y, pull in pulled]

    (ours, our_slopes), (theirs, their_slopes) = values_and_slopes(X)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(our_slopes, their_slopes, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("relu", {"negative_slope": 0.1, "max_value": 3.0, "threshold": 0.5}),
        ("relu", {"max_value": 6.0}),
        ("relu", {"threshold": 1.0}),
        ("leaky_relu", {"negative_slope": 0.4}),
        ("elu", {"alpha": 0.5}),
        ("celu", {"alpha": 0.5}),
        ("gelu", {"approximate": True}),
        ("softmax", {"axis": 0}),
        ("log_softmax", {"axis": 0}),
        ("glu", {"axis": 0}),
        ("hard_shrink", {"threshold": 2.0}),
        ("soft_shrink", {"threshold": 2.0}),
        ("squareplus", {"b": 1.0}),
    ],
)
def test_options_are_those_of_keras(name, options):
    ours = getattr(activations, name)(X, **options)
    theirs = np.asarray(getattr(keras.activations, name)(X, **options))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_stays(name):
    assert jax.eval_shape(activations.get(name), HALF).dtype == jnp.bfloat16


def test_what_may_stand_for_an_activation():
    assert activations.get(None) is activations.linear
    assert activations.get("hard_swish") is activations.hard_silu
    assert activations.get("ReLU") is activations.relu
    assert activations.get(jnp.sin) is jnp.sin
    with pytest.raises(UnknownNameError, match="Did you mean 'sigmoid'"):
        activations.get("sigmiod")
    with pytest.raises(InputError, match="not an activation"):
        activations.get(3)


def test_descriptions():
    assert activations.describe("swish") == "silu"
    assert activations.describe(functools.partial(activations.elu, alpha=2.0)) == "elu(alpha=2.0)"
    assert activations.describe(jax.nn.relu6) == "relu6"
