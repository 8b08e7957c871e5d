"""Loops of one's own around `stateless_call`, whose layers draw random numbers."""

from typing import Any

import jax
import numpy as np
import pytest

import lamina
from lamina.compat import keras
from lamina.errors import LaminaError

_X = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")


def _model() -> Any:
    inputs = keras.Input((8,))
    x = keras.layers.BatchNormalization(scale=False, center=False)(inputs)
    return keras.Model(inputs, keras.layers.Dropout(0.5)(x))


def _values(variables: Any) -> Any:
    return [variable.value for variable in variables]


def test_a_compiled_loop_draws_other_numbers_in_each_step() -> None:
    model = _model()
    assert [v.shape for v in model.non_trainable_variables] == [(8,), (8,), (2,)]
    assert len(model.non_trainable_weights) == 2

    @jax.jit
    def step(others: Any) -> Any:
        return model.stateless_call([], others, _X, training=True)

    state = model.non_trainable_variables
    first, after = step(state)
    again, _ = step(state)
    second, last = step(after)
    assert len(after) == len(last) == 3
    np.testing.assert_array_equal(first, again)
    assert ((np.asarray(first) == 0) != (np.asarray(second) == 0)).any()
    for variable, value in zip(model.non_trainable_variables, last, strict=True):
        variable.assign(value)
    np.testing.assert_array_equal(model.non_trainable_variables[2], last[2])


def test_the_key_is_passed_through_gradients_and_the_loss() -> None:
    class Squares(keras.Model):
        def compute_loss(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            return keras.ops.mean(y_pred**2)

    inputs = keras.Input((8,))
    model = Squares(inputs, keras.layers.Dropout(0.5)(keras.layers.Dense(1)(inputs)))
    model.compile("sgd")

    def loss(trainable: Any, others: Any) -> Any:
        y, others = model.stateless_call(trainable, others, _X, training=True)
        value, (_, others, _) = model.stateless_compute_loss(
            trainable, others, tracked, _X, _X[:, :1], y
        )
        return value, others

    tracked = _values(v for metric in model.metrics for v in metric.variables)
    run = jax.value_and_grad(loss, has_aux=True)
    (_, others), grads = run(model.trainable_variables, _values(model.non_trainable_variables))
    assert len(others) == 1 and others[0].dtype == "uint32" and len(grads) == 2


def test_models_without_random_layers_or_default_keys_have_none() -> None:
    plain = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    assert plain.non_trainable_variables == []
    drawing = _model()
    lamina.set_default_rng(None)
    assert len(drawing.non_trainable_variables) == 2
    with pytest.raises(LaminaError, match="has no random key"):
        drawing.stateless_call([], drawing.non_trainable_variables, _X, training=True)


def test_a_seed_generator_of_a_layer_has_a_key() -> None:
    class Noise(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.seeds = keras.random.SeedGenerator(1)

        def call(self, inputs: Any) -> Any:
            return inputs + keras.random.normal((8,), seed=self.seeds)

    model = keras.Sequential([keras.Input((8,)), Noise()])
    run = jax.jit(lambda others: model.stateless_call([], others, _X))
    first, after = run(model.non_trainable_variables)
    second, _ = run(after)
    assert (np.asarray(first) != np.asarray(second)).all()


def test_a_variable_made_in_build_has_its_value() -> None:
    class Scale(keras.layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.scale = keras.Variable(np.arange(8.0), name="scale")

        def call(self, inputs: Any) -> Any:
            return inputs * self.scale

    layer = Scale()
    np.testing.assert_allclose(layer(_X), _X * np.arange(8), rtol=1e-6)
    assert [v.shape for v in layer.weights] == [(8,)]
