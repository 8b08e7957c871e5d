"""Precision of the statistics of normalization layers: half precision, and large means."""

import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import layers

GIVEN = [
    lambda **options: layers.LayerNormalization(**options),
    lambda **options: layers.GroupNormalization(groups=2, **options),
    lambda **options: layers.BatchNormalization(**options),
    lambda **options: layers.RMSNormalization(**options),
    lambda **options: layers.UnitNormalization(**options),
    lambda **options: layers.Normalization(mean=100.0, variance=4.0, **options),
]


@pytest.mark.parametrize("make", GIVEN)
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "bfloat16", "float16"])
def test_statistics_are_those_of_the_input_as_given(make, dtype, normal) -> None:
    x = normal(16, 8) + 100.0  # in bfloat16 the spacing is 0.5 there
    half, whole = make(dtype=dtype), make()
    found, exact = (layer(x, training=True) for layer in (half, whole))
    assert found.dtype == jnp.dtype(dtype.removeprefix("mixed_"))
    np.testing.assert_array_equal(found, exact.astype(found.dtype))
    for name, value in half.values(trainable=False).items():
        expected = whole.values()[name].astype(value.dtype)
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("make", GIVEN)
def test_a_model_in_mixed_precision_gives_the_input_as_it_is(make, normal) -> None:
    x = normal(16, 8) + 100.0
    model = lamina.Sequential([make(dtype="mixed_bfloat16"), layers.Dense(3)])
    model.build((None, 8))
    for call in (model, lamina.jit(model), lambda x: model.apply(model.values(), x)[0]):
        expected = model.layers[1](make()(x).astype("bfloat16"))
        np.testing.assert_allclose(call(x), expected, rtol=1e-6, atol=1e-6)


def test_a_subclass_with_its_own_call_gets_inputs_in_the_dtype_of_its_policy() -> None:
    class Own(layers.LayerNormalization):
        def call(self, inputs):
            assert inputs.dtype == jnp.bfloat16
            return super().call(inputs)

    assert Own(dtype="mixed_bfloat16")(jnp.ones((2, 3))).dtype == jnp.bfloat16


@pytest.mark.parametrize("mean", [1e4, -1e6])
@pytest.mark.parametrize("axis", [-1, (1, 2), 1])
def test_a_large_mean_costs_layer_normalization_no_precision(mean, axis, normal) -> None:
    x = normal(4, 16, 256) + np.float32(mean)
    exact = np.asarray(x).astype("float64")
    exact = exact - exact.mean(axis, keepdims=True)
    exact = exact / np.sqrt((exact**2).mean(axis, keepdims=True) + 1e-3)
    layer = layers.LayerNormalization(axis)
    for call in (layer, lamina.jit(layer)):
        assert np.abs(call(x) - exact).max() < 1e-5  # a rounded mean alone costs 5e-4 at 1e4
