"""Mixed precision: weights in float32, arithmetic in bfloat16."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina import Layer, Sequential, layers
from lamina.errors import UnknownNameError


@pytest.fixture(autouse=True)
def plain_policy():
    yield
    lamina.set_dtype_policy("float32")


def net(module, dtype):
    return [
        module.Dense(5, "tanh", dtype=dtype),
        module.LayerNormalization(dtype=dtype),
        module.BatchNormalization(dtype=dtype),
        module.Dense(5, dtype=dtype),
    ]


def arrays(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), "float32")


def dtypes(model):
    return {str(value.dtype) for value in model.values().values()}


def test_it_computes_in_bfloat16_on_weights_in_float32() -> None:
    model = Sequential(net(layers, "mixed_bfloat16"))
    outputs = model(arrays(4, 5))
    assert outputs.dtype == jnp.bfloat16
    assert dtypes(model) == {"float32"}
    plain = Sequential(net(layers, None))
    plain.build((None, 5))
    plain.set_values(model.values())
    np.testing.assert_allclose(outputs.astype("float32"), plain(arrays(4, 5)), rtol=0.05, atol=0.05)


def test_it_is_as_near_to_keras_as_bfloat16_is_to_float32() -> None:
    theirs = keras.Sequential(net(keras.layers, "mixed_bfloat16"))
    theirs.build((4, 5))
    model = Sequential(net(layers, "mixed_bfloat16"))
    model.build((4, 5))
    values = {v.path.split("/", 1)[1]: v.numpy() for v in theirs.variables if "seed" not in v.path}
    model.set_values(dict(zip(model.values(), values.values(), strict=True)))
    expected = np.asarray(theirs(arrays(4, 5)), "float32")
    np.testing.assert_allclose(model(arrays(4, 5)).astype("float32"), expected, atol=0.03)


class Net(Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.low, self.high = layers.Dense(4), layers.Dense(2, dtype="float32")

    def call(self, inputs):
        return self.high(self.low(inputs))


def test_layers_below_take_after_the_model_unless_they_say_otherwise() -> None:
    plan = Net(dtype="mixed_bfloat16").plan((None, 3))
    inputs = {call.path: str(call.inputs.args[0].dtype) for call in plan.calls}
    assert inputs == {"": "bfloat16", "low": "bfloat16", "high": "float32"}
    assert {variable.dtype for variable in plan.variables} == {"float32"}


def test_the_policy_holds_for_layers_made_after_it() -> None:
    before = layers.Dense(2)
    lamina.set_dtype_policy("mixed_bfloat16")
    after = layers.GRU(2)
    assert lamina.dtype_policy() == "mixed_bfloat16"
    lamina.set_dtype_policy("float32")
    assert before(arrays(1, 3)).dtype == jnp.float32
    assert after(arrays(1, 4, 3)).dtype == jnp.bfloat16
    assert (before.dtype, after.dtype) == ("float32", "float32")
    assert after.dtype_policy.name == "mixed_bfloat16"


def test_a_dtype_is_a_policy_of_its_own() -> None:
    layer = layers.Dense(2, dtype="bfloat16")
    assert layer(arrays(1, 3)).dtype == jnp.bfloat16
    assert dtypes(layer) == {"bfloat16"}


@pytest.mark.parametrize(
    ("name", "computed", "kept"),
    [
        (None, "float32", "float32"),
        ("mixed_bfloat16", "bfloat16", "float32"),
        ("bfloat16", "bfloat16", "bfloat16"),
    ],
)
def test_a_layer_says_what_it_computes_in(name, computed, kept) -> None:
    layer, theirs = layers.Dense(2, dtype=name), keras.layers.Dense(2, dtype=name)
    assert (layer.compute_dtype, layer.variable_dtype) == (computed, kept)
    assert (theirs.compute_dtype, theirs.variable_dtype) == (computed, kept)


class Casts(lamina.Layer):
    def call(self, inputs):
        return inputs.astype(self.compute_dtype)


class Around(lamina.Layer):
    def __init__(self):
        super().__init__(dtype="mixed_bfloat16")
        self.inner = Casts()

    def call(self, inputs):
        return self.inner(inputs)


def test_what_a_layer_computes_in_is_what_the_call_around_it_does() -> None:
    assert Casts()(arrays(1, 3)).dtype == jnp.float32
    assert Around()(arrays(1, 3)).dtype == jnp.bfloat16


def test_integers_and_masks_stay() -> None:
    model = Sequential([layers.Embedding(7, 4, mask_zero=True), layers.GRU(3)])
    mixed = Sequential(
        [layers.Embedding(7, 4, mask_zero=True, dtype="mixed_bfloat16"), layers.GRU(3)]
    )
    ids = jnp.array([[1, 2, 0]])
    mixed.build(ids, seed=0)
    model.build(ids, seed=0)
    np.testing.assert_allclose(mixed(ids).astype("float32"), model(ids), atol=0.03)


@pytest.mark.parametrize("jit", [True, False])
def test_training_moves_float32_weights_and_statistics(jit) -> None:
    model = Sequential(net(layers, "mixed_bfloat16"))
    model.compile("adam", "mse", jit=jit)
    x = arrays(32, 5)
    model.build(x, seed=0)
    losses = model.fit(x, x, batch_size=16, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert dtypes(model) == {"float32"}


def test_gradients_come_in_the_dtype_of_the_weights() -> None:
    layer = layers.Dense(2, dtype="mixed_bfloat16")
    layer.build((None, 3))
    gradient = jax.grad(lambda v: layer.apply(v, arrays(4, 3))[0].astype("float32").sum())(
        layer.values()
    )
    assert {str(leaf.dtype) for leaf in gradient.values()} == {"float32"}
    np.testing.assert_array_equal(lamina.jit(layer)(arrays(4, 3)), layer(arrays(4, 3)))


@pytest.mark.parametrize("name", ["mixed_float8", "text", object])
def test_unknown_policies_are_refused(name) -> None:
    with pytest.raises(UnknownNameError, match="no dtype policy"):
        layers.Dense(2, dtype=name)
    with pytest.raises(UnknownNameError, match="mixed_bfloat16"):
        lamina.set_dtype_policy(name)


@pytest.mark.parametrize("kind", ["BatchNormalization", "LayerNormalization", "RMSNormalization"])
def test_specs_and_symbols_have_the_dtype_of_the_outputs(kind) -> None:
    layer = getattr(layers, kind)(dtype="mixed_bfloat16")
    assert layer(arrays(4, 5)).dtype == jnp.bfloat16
    assert layer.compute_output_spec((4, 5)).dtype == jnp.bfloat16
    assert layer(lamina.Input((5,))).dtype == jnp.bfloat16
    assert layer.plan((4, 5)).calls[0].outputs.dtype == jnp.bfloat16
