import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina import Layer, Sequential, layers, regularizers
from lamina.errors import InputError, UnknownNameError

X = jnp.ones((2, 3))


def test_the_policy_is_set_by_name_and_by_object():
    layer = layers.Dense(2)
    for policy in ("mixed_float16", keras.dtype_policies.DTypePolicy("mixed_float16")):
        layer.dtype_policy = policy
        assert layer.dtype_policy == ("mixed_float16", "float16", "float32")
        assert (layer.dtype, layer.compute_dtype) == ("float32", "float16")
    assert layer.get_config()["dtype"] == "mixed_float16"
    assert layers.Dense(2, dtype=layer.dtype_policy)(X).dtype == "float16"
    layer.dtype_policy = None
    assert layer(X).dtype == "float32"
    with pytest.raises(UnknownNameError, match="no dtype policy 'mixed'"):
        layer.dtype_policy = "mixed"


def test_a_policy_object_is_stored_by_its_name(tmp_path):
    policy = keras.dtype_policies.DTypePolicy("mixed_bfloat16")
    model = Sequential([layers.Dense(2, dtype=policy)])
    model.build((None, 3))
    model.save(tmp_path / "model.safetensors")
    assert lamina.load(tmp_path / "model.safetensors")(X).dtype == jnp.bfloat16


def test_compiled_calls_follow_settings():
    layer = layers.Dense(2)
    layer.build((None, 3))
    compiled = lamina.jit(layer)
    assert compiled(X).dtype == "float32"
    layer.dtype_policy = "mixed_bfloat16"
    assert compiled(X).dtype == jnp.bfloat16
    layer.autocast = False
    assert compiled(X).dtype == "float32"
    layer.activity_regularizer = "l2"
    with lamina.added_losses() as losses:
        compiled(X)
    assert len(losses) == 1


def test_autocast_of_layers_and_weights():
    seen = []

    class Weights(Layer):
        def build(self, input_shape):
            self.cast = self.add_weight(input_shape[-1:], "ones")
            self.kept = self.add_weight(input_shape[-1:], "ones", autocast=False)

        def call(self, x):
            seen.append((str(x.dtype), str(self.cast.dtype), str(self.kept.dtype)))
            return x

    Weights(dtype="mixed_float16")(X)
    Weights(dtype="mixed_float16", autocast=False)(X)
    assert set(seen[:1]) == {("float16", "float16", "float32")}
    assert seen[-1] == ("float32", "float32", "float32")
    assert layers.Dense(2, autocast=False).autocast is False


def test_integers_as_dtype_cast_no_inputs():
    class Count(Layer):
        def call(self, x):
            return x

    layer = Count(dtype="int32")
    assert (layer(X).dtype, layer.compute_dtype) == ("float32", "int32")
    assert Count(dtype="bool").compute_dtype == "bool"


def test_the_activity_regularizer_is_an_attribute():
    layer = layers.Dense(2, activity_regularizer="l2")
    assert isinstance(layer.activity_regularizer, regularizers.L2)
    again = layers.Dense.from_config(layer.get_config())
    assert isinstance(again.activity_regularizer, regularizers.L2)
    assert layers.Dense(2).activity_regularizer is None
    assert "activity_regularizer" not in layers.Dense(2).get_config()
    layer.activity_regularizer = "l1"
    assert isinstance(
        layers.Dense.from_config(layer.get_config()).activity_regularizer, regularizers.L1
    )


def test_the_penalty_of_projections_is_not_that_of_the_attention():
    layer = layers.MultiHeadAttention(1, 2, activity_regularizer="l2")
    assert layer.activity_regularizer is None
    with lamina.added_losses() as losses:
        layer(jnp.ones((1, 3, 2)), jnp.ones((1, 3, 2)))
    assert len(losses) == 4


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_trainable_is_a_boolean(value):
    with pytest.raises(InputError, match="to be a boolean"):
        layers.Dense(2, trainable=value)
    assert layers.Dense(2, trainable=np.False_).trainable is False
