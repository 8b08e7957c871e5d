"""Optimizers that hold their state, against Keras."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.compat import tf
from lamina.errors import InputError

RNG = np.random.default_rng(0)
SHAPES = [(3, 4), (4,)]
WEIGHTS = [RNG.normal(size=shape).astype("float32") for shape in SHAPES]
STEPS = [[RNG.normal(size=shape).astype("float32") for shape in SHAPES] for _ in range(5)]


def dense():
    layer = layers.Dense(4)
    layer.build((None, 3))
    layer.set_weights(WEIGHTS)
    return layer


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
        ("RMSprop", {"learning_rate": 0.1}),
        ("Adam", {"learning_rate": 0.1, "clipnorm": 0.5}),
        ("AdamW", {"learning_rate": 0.1}),
        ("Adadelta", {"learning_rate": 1.0}),
        ("Adagrad", {"learning_rate": 0.1}),
        ("Adamax", {"learning_rate": 0.1}),
        ("Adafactor", {"learning_rate": 0.1}),
        ("Nadam", {"learning_rate": 0.1}),
        ("Ftrl", {"learning_rate": 0.1}),
        ("Lion", {"learning_rate": 0.1}),
        ("Lamb", {"learning_rate": 0.1}),
    ],
)
def test_variables_change_as_in_keras(name, options):
    layer = dense()
    ours = getattr(tf.keras.optimizers, name)(**options)
    theirs = getattr(keras.optimizers, name)(**options)
    twins = [keras.Variable(weight) for weight in WEIGHTS]
    for step, gradients in enumerate(STEPS):
        ours.apply(gradients, layer.trainable_variables)
        theirs.apply([jnp.asarray(one) for one in gradients], twins)
        assert int(ours.iterations.value) == step + 1 == int(theirs.iterations)
    for mine, twin in zip(layer.trainable_variables, twins, strict=True):
        np.testing.assert_allclose(mine, np.asarray(twin), rtol=2e-5, atol=1e-6)


def test_the_pure_form_changes_nothing_and_gives_the_same():
    layer, optimizer = dense(), tf.keras.optimizers.Adam(0.1)
    optimizer.build(layer.trainable_variables)
    values = [one.value for one in layer.trainable_variables]
    state = [one.value for one in optimizer.variables]
    for gradients in STEPS:
        values, state = optimizer.stateless_apply(state, gradients, values)
    np.testing.assert_array_equal(layer.kernel, WEIGHTS[0])
    assert int(optimizer.iterations.value) == 0
    for gradients in STEPS:
        optimizer.apply_gradients(zip(gradients, layer.trainable_variables, strict=True))
    np.testing.assert_allclose(layer.kernel, values[0], rtol=1e-6)


def test_the_learning_rate_can_be_assigned():
    layer, optimizer = dense(), tf.keras.optimizers.SGD(0.1)
    assert optimizer.learning_rate == 0.1
    optimizer.build(layer.trainable_variables)
    optimizer.learning_rate = 0.25
    optimizer.learning_rate.assign(2 * optimizer.learning_rate)
    optimizer.apply(STEPS[0])
    np.testing.assert_allclose(layer.kernel, WEIGHTS[0] - 0.5 * STEPS[0][0], rtol=1e-6)


def test_constraints_hold_after_an_update():
    layer = layers.Dense(4, kernel_constraint="non_neg")
    layer.build((None, 3))
    tf.keras.optimizers.SGD(1.0).apply(STEPS[0], layer.trainable_variables)
    assert layer.kernel.numpy().min() == 0


def test_mistakes_name_the_remedy():
    layer, optimizer = dense(), tf.keras.optimizers.SGD(0.1)
    with pytest.raises(InputError, match="build"):
        optimizer.apply(STEPS[0])
    optimizer.build(layer.trainable_variables)
    with pytest.raises(InputError, match="other variables"):
        optimizer.apply(STEPS[0], dense().trainable_variables)
    with pytest.raises(InputError, match="do not fit"):
        optimizer.stateless_apply([], STEPS[0], WEIGHTS)


def test_an_optimizer_of_variables_can_be_compiled_too():
    optimizer = tf.keras.optimizers.SGD(0.1)
    model = lamina.Sequential([dense()])
    model.compile(optimizer, "mse")
    model.fit(np.ones((8, 3), "float32"), np.ones((8, 4), "float32"), verbose=0)
    assert model.optimizer is optimizer and optimizer.iterations == 1


def test_options_are_attributes():
    optimizer = tf.keras.optimizers.AdamW(0.1, clipnorm=0.5)
    assert (optimizer.weight_decay, optimizer.clipnorm, optimizer.use_ema) == (0.004, 0.5, False)
    with pytest.raises(AttributeError, match="no attribute 'momentum'"):
        optimizer.momentum  # noqa: B018
