"""Scaling by a size: Keras's numbers, the singular value that training finds, errors."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lamina
from lamina import layers
from lamina.errors import InputError
from lamina.layers import RMSNormalization, SpectralNormalization, UnitNormalization
from tests.close import assert_close

few = settings(
    deadline=None, max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("axis", [-1, [1, 2], (-2, -1)])
@pytest.mark.parametrize("epsilon", [1e-6, 0.5])
def test_rms_normalization_equals_keras(compare, normal, axis, epsilon) -> None:
    ours = RMSNormalization(axis, epsilon)
    compare(ours, keras.layers.RMSNormalization(axis, epsilon), normal(2, 3, 4))


@few
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_rms_normalization_at_any_rank(compare, normal, shape) -> None:
    compare(RMSNormalization(), keras.layers.RMSNormalization(), normal(*shape))


def test_rms_normalization_on_an_inner_axis(normal) -> None:
    inner, last = RMSNormalization(1), RMSNormalization()  # Keras has no scale that fits
    x, scale = normal(2, 3, 4), {"scale": normal(3, seed=1)}
    for layer, shape in ((inner, x.shape), (last, (2, 4, 3))):
        layer.build(shape)
        layer.set_values(scale)
    assert_close(inner(x), last(x.swapaxes(1, 2)).swapaxes(1, 2), rtol=1e-6)


@pytest.mark.parametrize("axis", [-1, 1, [1, 2], (0, -1)])
def test_unit_normalization_equals_keras(compare, normal, axis) -> None:
    compare(UnitNormalization(axis), keras.layers.UnitNormalization(axis), normal(2, 3, 4))


def test_zeros_stay_zeros_and_have_a_finite_gradient() -> None:
    layer = UnitNormalization()
    np.testing.assert_array_equal(layer(jnp.zeros((2, 3))), 0)
    slopes = jax.grad(lambda x: layer.apply({}, x)[0].sum())(jnp.zeros((2, 3)))
    assert np.isfinite(slopes).all()


@pytest.mark.parametrize("kind", [RMSNormalization, UnitNormalization])
def test_half_precision(kind, normal) -> None:
    y = kind(dtype="bfloat16")((normal(8, 3) * 300).astype("bfloat16"))
    assert y.dtype == "bfloat16"
    assert np.isfinite(np.asarray(y, "float32")).all()


@pytest.mark.parametrize("kind", [RMSNormalization, UnitNormalization])
@pytest.mark.parametrize("axis", [2, -3, (1, -1)])
def test_axes_that_are_not_there(kind, axis) -> None:
    with pytest.raises(InputError, match="axis="):
        kind(axis).build((4, 3))


@pytest.mark.parametrize("options", [{"axis": "last"}, {"epsilon": -1.0}])
def test_options_out_of_range(options) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        RMSNormalization(**options)


def _pair(make: str, *args, iterations: int = 1):
    """The same layer here and in Keras, with the same weights."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(5, 4)), "float32")
    x = x if make == "Dense" else jnp.array([1, 3, 0])
    ours = SpectralNormalization(getattr(layers, make)(*args), iterations)
    theirs = keras.layers.SpectralNormalization(getattr(keras.layers, make)(*args), iterations)
    ours.build(x)
    theirs.build(x.shape)
    weight = theirs.layer.kernel if make == "Dense" else theirs.layer.embeddings
    path = "layer.kernel" if make == "Dense" else "layer.embeddings"
    drawn = np.random.default_rng(1)
    given = {path: drawn.normal(size=weight.shape).astype("float32")}
    given["vector_u"] = drawn.normal(size=theirs.vector_u.shape).astype("float32")
    weight.assign(given[path])
    theirs.vector_u.assign(given["vector_u"])
    ours.set_values(ours.values() | given)
    return ours, theirs, x


@pytest.mark.parametrize("iterations", [1, 3])
@pytest.mark.parametrize(("make", "args"), [("Dense", (6,)), ("Embedding", (8, 6))])
def test_spectral_normalization_equals_keras(make, args, iterations) -> None:
    ours, theirs, x = _pair(make, *args, iterations=iterations)
    floats = x.astype("float32")  # Keras gives the output the dtype of the input
    for training in (False, True, True, False):
        np.testing.assert_allclose(
            ours(x, training=training), theirs(floats, training=training), rtol=1e-5, atol=1e-5
        )
        np.testing.assert_allclose(ours.vector_u.value, theirs.vector_u.value, atol=1e-5)


def test_gradients_of_spectral_normalization_equal_keras() -> None:
    ours, theirs, x = _pair("Dense", 6)
    values = ours.values()
    kept = [variable.value for variable in theirs.non_trainable_variables]

    def loss(kernel):
        given = values | {"layer.kernel": kernel}
        return jnp.sin(ours.apply(given, x, training=True)[0]).sum()

    def expected(kernel):
        trained = [kernel, values["layer.bias"]]
        return jnp.sin(theirs.stateless_call(trained, kept, x, training=True)[0]).sum()

    kernel = values["layer.kernel"]
    np.testing.assert_allclose(jax.grad(loss)(kernel), jax.grad(expected)(kernel), atol=1e-5)


def test_training_finds_the_largest_singular_value(normal) -> None:
    layer = SpectralNormalization(layers.Dense(6), power_iterations=2)
    x = normal(5, 4)
    layer(x)
    kernel = np.asarray(layer.layer.kernel.value)
    for _ in range(30):
        y = layer(x, training=True)
    sigma = np.linalg.svd(kernel)[1][0]
    np.testing.assert_allclose(layer.sigma.value, sigma, rtol=1e-3)
    np.testing.assert_allclose(y, x @ (kernel / sigma), rtol=1e-3, atol=1e-5)
    assert_close(layer(x), y, rtol=1e-6)  # and inference goes on with it
    np.testing.assert_array_equal(layer.layer.kernel.value, kernel)


def test_what_fit_trains_is_what_predict_uses(normal) -> None:
    x, y = np.asarray(normal(64, 4)), np.asarray(normal(64, 2, seed=1))
    model = lamina.Sequential([SpectralNormalization(layers.Dense(2, use_bias=False))])
    model.compile(optimizer="sgd", loss="mse")
    model.fit(x, y, epochs=20, verbose=0)
    wrapper = model.layers[0]
    effective = np.asarray(wrapper.layer.kernel.value) / np.asarray(wrapper.sigma.value)
    np.testing.assert_allclose(np.linalg.svd(effective)[1][0], 1.0, atol=0.05)
    np.testing.assert_allclose(model.predict(x, verbose=0), x @ effective, rtol=1e-4, atol=1e-5)


def test_a_weight_of_zeros_is_used_as_it_is(normal) -> None:
    layer = SpectralNormalization(layers.Dense(3, kernel_initializer="zeros"))
    layer(normal(2, 4))
    u = np.asarray(layer.vector_u.value)
    np.testing.assert_array_equal(layer(normal(2, 4), training=True), 0)
    np.testing.assert_array_equal(layer.vector_u.value, u)
    np.testing.assert_array_equal(layer.sigma.value, 1)


def test_a_layer_without_such_a_weight() -> None:
    with pytest.raises(InputError, match="kernel or embeddings"):
        SpectralNormalization(layers.ReLU()).build((None, 3))


@pytest.mark.parametrize("iterations", [0, -1, 1.5])
def test_iterations_must_be_a_count(iterations) -> None:
    with pytest.raises(InputError, match="power_iterations"):
        SpectralNormalization(layers.Dense(2), iterations)


def test_spectral_normalization_keeps_its_weights_in_float32_in_mixed_precision() -> None:
    layer = layers.SpectralNormalization(layers.Dense(2), dtype="mixed_bfloat16")
    assert layer(jnp.ones((1, 4))).dtype == jnp.bfloat16
    assert {str(value.dtype) for value in layer.values().values()} == {"float32"}
