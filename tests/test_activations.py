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


def test_every_activation_of_keras_is_there():
    theirs = {name for name in dir(keras.activations) if not name.startswith("_")}
    assert theirs - {"serialize", "deserialize"} <= set(activations.__all__)


# Keras's sparsemax sums running sums where it means a sum, so that its results need not add to 1.
OTHERS = ("hard_sigmoid_keras2", "sparsemax")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OTHERS])
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
        ("threshold", {"threshold": 0.5, "default_value": -2.0}),
    ],
)
def test_options_are_those_of_keras(name, options):
    ours = getattr(activations, name)(X, **options)
    theirs = np.asarray(getattr(keras.activations, name)(X, **options))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


def test_the_hard_sigmoid_of_keras_2():
    found = activations.get("hard_sigmoid_keras2")(X)
    np.testing.assert_allclose(found, np.clip(0.2 * X + 0.5, 0, 1), rtol=1e-6)


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_sparsemax_is_the_nearest_point_of_the_simplex(axis):
    def nearest(row):
        low, high = row.min() - 1, row.max()
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if np.maximum(row - middle, 0).sum() > 1 else (low, middle)
        return np.maximum(row - low, 0)

    x = np.random.default_rng(1).normal(size=(5, 6, 3))
    expected = np.apply_along_axis(nearest, axis, x)
    ours = activations.sparsemax(x.astype("float32"), axis)
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_sparsemax_of_what_stands_out_is_that_of_keras():
    x = np.random.default_rng(2).permuted(np.tile(np.arange(6.0), (4, 1)), axis=1).astype("float32")
    ours, theirs = activations.sparsemax(x), keras.activations.sparsemax(x)
    np.testing.assert_allclose(ours, np.asarray(theirs), atol=1e-6)


def test_sparsemax_slopes_within_its_support_alone():
    slopes = jax.jacobian(activations.sparsemax)(jnp.array([0.5, 0.1, -3.0, 0.4]))
    kept = np.array([1, 1, 0, 1])
    np.testing.assert_allclose(slopes, np.diag(kept) - np.outer(kept, kept) / 3, atol=1e-6)


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
    with pytest.raises(UnknownNameError, match="threshold"):
        activations.get("threshold")  # which takes more than an array
    with pytest.raises(InputError, match="activation is not valid"):
        activations.get(3)


def test_descriptions():
    assert activations.describe("swish") == "silu"
    assert activations.describe(functools.partial(activations.elu, alpha=2.0)) == "elu(alpha=2.0)"
    assert activations.describe(jax.nn.relu6) == "relu6"


REFUSED = ("glu", "linear", "sigmoid", "silu")  # by JAX, in Keras too; linear changes nothing


@pytest.mark.parametrize("name", [name for name in NAMES if name not in (*REFUSED, *OTHERS)])
def test_integers_give_the_dtype_of_keras(name):
    x = np.array([[1, -2, 3, 0]])
    wanted = getattr(keras.activations, name)(x)
    found = activations.get(name)(x)
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_sparsemax_of_integers_is_not_rounded():
    assert activations.sparsemax(np.array([1, 1])).tolist() == [0.5, 0.5]
