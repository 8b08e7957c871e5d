"""Configs of activations, initializers and the like in a layer's own `get_config`, as in Keras."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina import activations, constraints, initializers, losses, metrics, regularizers
from lamina.errors import InputError

KITS = (activations, constraints, initializers, losses, metrics, regularizers)


def squared(x):
    return x * x


@pytest.mark.parametrize(
    ("kit", "thing"),
    [
        (activations, "gelu"),
        (initializers, initializers.HeNormal(seed=3)),
        (regularizers, regularizers.L1L2(0.1, 0.2)),
        (constraints, constraints.MaxNorm(3.0, axis=1)),
        (losses, losses.Huber(2.0)),
        (losses, "mean_squared_error"),
        (metrics, metrics.TopKCategoricalAccuracy(2)),
    ],
)
def test_configs_are_those_of_keras_and_give_the_object_again(kit, thing):
    known = kit.get(thing)
    config = kit.serialize(known)
    theirs = getattr(keras, kit.__name__.rpartition(".")[2])
    if isinstance(config, str):
        assert config == thing and kit.deserialize(config) is known
        assert kit.deserialize(theirs.serialize(theirs.get(thing))) is known
        return
    again = kit.deserialize(config)
    assert type(again) is type(known) and again.get_config() == known.get_config()
    assert (
        type(theirs.deserialize(config | {"module": theirs.__name__})).__name__
        == type(known).__name__
    )


@pytest.mark.parametrize("kit", KITS)
def test_none_and_objects_of_the_program(kit):
    assert kit.serialize(None) is None
    assert kit.serialize(squared) == "squared"
    found = kit.deserialize("squared", {"squared": squared})
    assert found is squared or squared in vars(found).values()
    with pytest.raises(InputError, match="by their names"):
        kit.serialize(lambda x: x)


class Own(lamina.Layer):
    """A layer as guides write it."""

    def __init__(self, units, activation="relu", kernel_initializer="he_normal", **options):
        super().__init__(**options)
        self.units = units
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)

    def build(self, input_shape):
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(shape=shape, initializer=self.kernel_initializer)
        self.scale = self.add_weight(name="scale", initializer="ones")

    def call(self, inputs):
        return self.activation(jnp.matmul(inputs, self.kernel.value)) * self.scale

    def get_config(self):
        config = super().get_config()
        config.update(
            units=self.units,
            activation=activations.serialize(self.activation),
            kernel_initializer=initializers.serialize(self.kernel_initializer),
        )
        return config


def test_a_layer_that_serializes_its_options_is_copied_and_saved(tmp_path):
    model = lamina.Sequential([lamina.Input((3,)), Own(2, "tanh", initializers.Constant(0.5))])
    again = lamina.Sequential.from_config(model.get_config(), custom_objects={"Own": Own})
    x = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(again(x), model(x))
    assert model.layers[0].scale.shape == ()
    file = tmp_path / "model.safetensors"
    model.save(file)
    np.testing.assert_array_equal(lamina.load(file, custom_objects={"Own": Own})(x), model(x))


class Scaled(losses.Loss):
    """A loss that passes its other arguments on."""

    def __init__(self, factor=2.0, name="scaled", **options):
        super().__init__(name=name, **options)
        self.factor = factor

    def call(self, y_true, y_pred):
        return self.factor * jnp.mean((y_true - y_pred) ** 2, axis=-1)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def test_options_that_are_passed_on_stay_in_the_config():
    config = Scaled(3.0, reduction="sum").get_config()
    again = Scaled.from_config(config)
    assert (again.factor, again.reduction, again.name) == (3.0, "sum", "scaled")
    assert float(again(np.ones((4, 2)), np.zeros((4, 2)))) == 12.0
