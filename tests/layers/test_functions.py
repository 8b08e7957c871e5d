"""The layers that are a plain function: Identity, Lambda, Masking, Dropout, Activation, Flatten."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
from lamina import layers
from lamina.errors import InputError, LaminaError, UnknownNameError
from lamina.layers import Activation, Dropout, Flatten, Identity, Lambda, Masking
from tests.close import assert_close

KEY = jax.random.key(0)


def test_dropout_acts_in_training_alone() -> None:
    x = jnp.ones((100, 100))
    layer = Dropout(0.25)
    np.testing.assert_array_equal(layer(x), x)
    noisy = np.asarray(layer(x, training=True, rng=KEY))
    assert_close(np.unique(noisy), [0, 1 / 0.75], rtol=1e-6)
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
    with pytest.raises(LaminaError, match="no random key"):
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


def test_identity_leaves_everything() -> None:
    x = {"a": jnp.ones(2), "b": [jnp.zeros(3)]}
    out = Identity()(x)
    assert jax.tree.structure(out) == jax.tree.structure(x)
    np.testing.assert_array_equal(out["b"][0], 0)
    mask = jnp.ones((2,), bool)
    assert Identity().compute_mask(x, mask) is mask


def halved(x, by=2.0):
    return x / by


def shown(x, mask=None, training=False):
    return jnp.where(mask[..., None], x, 0) + training


def test_lambda_equals_keras(compare, normal) -> None:
    options = {"arguments": {"by": 4.0}}
    compare(Lambda(halved, **options), keras.layers.Lambda(halved, **options), normal(3, 4))


def test_lambda_passes_mask_and_training_to_who_wants_them(normal) -> None:
    x, mask = normal(2, 3, 4), jnp.array([[True, False, True]] * 2)
    for training in (False, True):
        got = Lambda(shown)(x, mask=mask, training=training)
        np.testing.assert_array_equal(got, shown(x, mask, training))
    np.testing.assert_array_equal(Lambda(halved)(x, mask=mask, training=True), x / 2)


def test_lambda_gives_the_mask_it_was_told() -> None:
    x, mask = jnp.ones((2, 3)), jnp.ones((2,), bool)
    assert Lambda(halved).compute_mask(x, mask) is None
    assert Lambda(halved, mask=mask).compute_mask(x) is mask
    turned = Lambda(halved, mask=lambda inputs, mask: ~mask)
    np.testing.assert_array_equal(turned.compute_mask(x, mask), False)


@pytest.mark.parametrize("output_shape", [(4,), (None,), lambda shape: (shape[0], 4)])
def test_lambda_checks_an_output_shape(output_shape) -> None:
    layer = Lambda(halved, output_shape)
    layer.build((None, 4))
    assert layer(jnp.ones((2, 4))).shape == (2, 4)
    wrong = Lambda(lambda x: x[:, :2, None], output_shape)
    with pytest.raises(InputError, match="another shape") as caught:
        wrong(jnp.ones((2, 4)))
    assert "output_shape" in str(caught.value)


@pytest.mark.parametrize("function", [jnp.tanh, jax.nn.relu, lamina.activations.gelu, halved])
def test_a_lambda_of_a_function_with_a_name_can_be_saved(function, tmp_path, normal) -> None:
    model = lamina.Sequential([layers.Dense(3), Lambda(function)])
    x = normal(2, 4)
    expected = model(x)
    model.save(tmp_path / "model.lamina")
    known = {"halved": halved}
    loaded = lamina.load(tmp_path / "model.lamina", custom_objects=known)
    np.testing.assert_array_equal(loaded(x), expected)


def test_a_lambda_of_a_lambda_cannot_be_saved(tmp_path, normal) -> None:
    model = lamina.Sequential([layers.Dense(3), Lambda(lambda x: x / 2)])
    model(normal(2, 4))
    with pytest.raises(LaminaError, match="'function' of Lambda") as caught:
        model.save(tmp_path / "model.lamina")
    assert "a lambda" in str(caught.value)
    assert "defined by def in a module" in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("function", ["tanh", None, 3])
def test_a_lambda_needs_a_function(function) -> None:
    with pytest.raises(InputError, match="made of a function"):
        Lambda(function)


@settings(deadline=None, max_examples=4)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.sampled_from([0.0, 1.0]))
def test_masking_equals_keras(shape, value) -> None:
    x = jnp.asarray(np.random.default_rng(0).integers(0, 2, shape), "float32")
    ours, theirs = Masking(value), keras.layers.Masking(value)
    np.testing.assert_array_equal(ours(x), theirs(x))
    np.testing.assert_array_equal(ours.compute_mask(x), theirs.compute_mask(x))


def test_masking_hides_padding_from_what_follows(normal) -> None:
    model = lamina.Sequential([Masking(), layers.GRU(3)])
    x = normal(2, 5, 4)
    padded = jnp.concatenate([x, jnp.zeros((2, 2, 4))], 1)
    np.testing.assert_allclose(model(padded), model(x), rtol=1e-5, atol=1e-6)


def test_masking_needs_features() -> None:
    with pytest.raises(InputError, match=r"axes|shape"):
        Masking()(jnp.ones(()))
