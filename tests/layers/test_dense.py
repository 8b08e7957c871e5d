"""Dense: Keras's numbers, its shapes, its errors."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.errors import InputError, LaminaError, UnknownNameError
from lamina.layers import Dense


@pytest.mark.parametrize("activation", [None, "relu", "tanh", "softmax"])
@pytest.mark.parametrize("use_bias", [True, False])
def test_equals_keras(compare, normal, activation, use_bias) -> None:
    options = {"activation": activation, "use_bias": use_bias}
    compare(Dense(3, **options), keras.layers.Dense(3, **options), normal(4, 5))


@settings(
    deadline=None, max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.integers(1, 4))
def test_equals_keras_at_any_rank(compare, normal, shape, units) -> None:
    compare(Dense(units), keras.layers.Dense(units), normal(*shape))


def test_weights_and_defaults() -> None:
    layer = Dense(3)
    layer.build((None, 4))
    shapes = {path: value.shape for path, value in layer.values().items()}
    assert shapes == {"kernel": (4, 3), "bias": (3,)}
    assert not layer.values()["bias"].any()
    bare = Dense(3, use_bias=False)
    bare.build((None, None, 4))
    assert list(bare.values()) == ["kernel"]


def test_initializers_are_used() -> None:
    layer = Dense(2, kernel_initializer="ones", bias_initializer="ones")
    np.testing.assert_array_equal(layer(jnp.ones((1, 3))), [[4.0, 4.0]])


def test_vmap_over_examples_is_the_batch(normal) -> None:
    layer = Dense(3)
    x = normal(4, 5)
    np.testing.assert_allclose(jax.vmap(layer)(x), layer(x), rtol=1e-5, atol=1e-6)


def test_half_precision() -> None:
    layer = Dense(3, dtype="bfloat16")
    assert layer(jnp.ones((2, 4), "bfloat16")).dtype == "bfloat16"
    assert layer.kernel.dtype == "bfloat16"


@pytest.mark.parametrize("units", [0, -1, 2.5, "3", True, None])
def test_units_must_be_a_count(units) -> None:
    with pytest.raises(InputError, match="units"):
        Dense(units)


def test_numpy_integers_are_counts() -> None:
    assert Dense(np.int64(3)).units == 3


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="relu"):
        Dense(3, activation="rleu")
    with pytest.raises(UnknownNameError, match="glorot_uniform"):
        Dense(3, kernel_initializer="glorot_unifrom")


def test_options_it_does_not_have_are_refused() -> None:
    with pytest.raises(TypeError, match="kernel_regulariser"):
        Dense(3, kernel_regulariser="l2")


def test_a_scalar_is_refused() -> None:
    with pytest.raises(InputError, match=r"\[\.\.\., features\]"):
        Dense(3)(jnp.ones(()))


def test_unknown_features_are_refused() -> None:
    with pytest.raises(LaminaError, match="an unknown dim"):
        Dense(3).build((8, None))
