"""The layers without weights: Dropout, Activation, Flatten."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import InputError, LaminaError, UnknownNameError
from lamina.layers import Activation, Dropout, Flatten

KEY = jax.random.key(0)


def test_dropout_acts_in_training_alone() -> None:
    x = jnp.ones((100, 100))
    layer = Dropout(0.25)
    np.testing.assert_array_equal(layer(x), x)
    noisy = np.asarray(layer(x, training=True, rng=KEY))
    np.testing.assert_allclose(np.unique(noisy), [0, 1 / 0.75], rtol=1e-6)
    assert abs(noisy.mean() - 1) < 0.02


def test_a_key_decides_what_is_dropped() -> None:
    x, layer = jnp.ones((8, 8)), Dropout(0.5)
    first = layer(x, training=True, rng=KEY)
    np.testing.assert_array_equal(layer(x, training=True, rng=KEY), first)
    assert (layer(x, training=True, rng=jax.random.key(1)) != first).any()
    assert (Dropout(0.5, seed=3)(x, training=True, rng=KEY) != first).any()


def test_dropout_under_jit_is_the_same() -> None:
    x, layer = jnp.ones((8, 8)), Dropout(0.5)
    compiled = jax.jit(lambda key: layer.apply({}, x, training=True, rng=key)[0])
    np.testing.assert_array_equal(compiled(KEY), layer(x, training=True, rng=KEY))


def test_dropout_along_an_axis() -> None:
    noisy = np.asarray(Dropout(0.5, (None, 1))(jnp.ones((50, 4)), training=True, rng=KEY))
    np.testing.assert_array_equal(noisy, np.repeat(noisy[:, :1], 4, 1))


@pytest.mark.parametrize(("rate", "expected"), [(0, 1.0), (1, 0.0)])
def test_the_ends(rate, expected) -> None:
    noisy = Dropout(rate)(jnp.ones((3, 4)), training=True, rng=KEY)
    np.testing.assert_array_equal(noisy, np.full((3, 4), expected))


def test_nothing_to_drop_needs_no_key() -> None:
    np.testing.assert_array_equal(Dropout(0)(jnp.ones(3), training=True), np.ones(3))


def test_dropout_without_a_key() -> None:
    with pytest.raises(LaminaError, match="no key"):
        Dropout(0.5)(jnp.ones(3), training=True)


@pytest.mark.parametrize("rate", [-0.1, 1.1, "half", None, float("nan")])
def test_rates_out_of_range(rate) -> None:
    with pytest.raises(InputError, match="rate"):
        Dropout(rate)


@pytest.mark.parametrize("noise_shape", [(0, 1), (-1,), (2.5,), "3"])
def test_noise_shapes_that_are_none(noise_shape) -> None:
    with pytest.raises(InputError, match="noise_shape"):
        Dropout(0.5, noise_shape)


def test_a_noise_shape_of_another_rank() -> None:
    with pytest.raises(InputError, match="axes"):
        Dropout(0.5, (None, 1))(jnp.ones((2, 3, 4)))


@pytest.mark.parametrize("name", ["relu", "tanh", "softmax", "sigmoid"])
def test_activation_equals_keras(compare, normal, name) -> None:
    compare(Activation(name), keras.layers.Activation(name), normal(3, 4))


def test_activation_takes_a_function() -> None:
    np.testing.assert_array_equal(Activation(lambda x: x + 1)(jnp.zeros(2)), [1, 1])


def test_an_unknown_activation() -> None:
    with pytest.raises(UnknownNameError, match="tanh"):
        Activation("tahn")


@settings(deadline=None, max_examples=6)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
    st.sampled_from([None, "channels_first", "channels_last"]),
)
def test_flatten_equals_keras(shape, data_format) -> None:
    x = jnp.arange(np.prod(shape, dtype=int)).reshape(shape)
    expected = keras.layers.Flatten(data_format)(x)
    np.testing.assert_array_equal(Flatten(data_format)(x), expected)


def test_flatten_errors() -> None:
    with pytest.raises(InputError, match="data_format"):
        Flatten("channels")
    with pytest.raises(InputError, match="batch"):
        Flatten()(jnp.ones(()))


@pytest.mark.parametrize("layer", [Dropout(0.5), Activation("gelu"), Flatten()])
def test_half_precision(layer) -> None:
    y = layer(jnp.ones((2, 3), "bfloat16"), training=True, rng=KEY)
    assert y.dtype == "bfloat16"
