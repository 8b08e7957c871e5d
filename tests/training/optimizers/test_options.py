"""The options and formulas of optimizers, against Keras."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest

import lamina
from lamina.compat import tf
from lamina.errors import InputError

RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(size=(3, 4)).astype("float32")
GRADIENTS = RNG.normal(size=(7, 3, 4)).astype("float32")
AVERAGES = {"use_ema": True, "ema_momentum": 0.8}

CASES = [
    *[
        (name, {"learning_rate": 0.1, **options})
        for name in ("SGD", "Adam")
        for options in (
            {"weight_decay": 0.1},
            {"gradient_accumulation_steps": 3, "clipnorm": 0.5, "weight_decay": 0.1},
            {**AVERAGES, "ema_overwrite_frequency": 3},
            {"name": "mine"},
        )
    ],
    ("Adam", {"learning_rate": 0.1, "amsgrad": True}),
    ("Adam", {"learning_rate": 0.1, "epsilon": 0.01}),
    ("AdamW", {"learning_rate": 0.1, "weight_decay": 0.2, "amsgrad": True}),
    ("Adamax", {"learning_rate": 0.1, "weight_decay": 0.1}),
    ("Nadam", {"learning_rate": 0.1}),
    ("Lion", {"learning_rate": 0.1}),
    ("Lamb", {"learning_rate": 0.1, "weight_decay": 0.1}),
    ("RMSprop", {"learning_rate": 0.1, "weight_decay": 0.1, "centered": True}),
    ("Adafactor", {"learning_rate": 0.1, "weight_decay": 0.1, **AVERAGES}),
    ("Adafactor", {"clip_threshold": 0.5, "epsilon_2": 0.1, "beta_2_decay": -0.5}),
    ("Adafactor", {"learning_rate": 3.0, "relative_step": False, "epsilon_1": 0.1}),
    ("Ftrl", {"learning_rate": 0.1}),
    ("Ftrl", {"learning_rate_power": -0.3, "initial_accumulator_value": 0.5, "beta": 0.3}),
    (
        "Ftrl",
        {
            "learning_rate": 0.1,
            "l1_regularization_strength": 0.1,
            "l2_regularization_strength": 0.2,
            "l2_shrinkage_regularization_strength": 0.1,
            "weight_decay": 0.1,
        },
    ),
    ("Muon", {"learning_rate": 0.1}),
    ("Muon", {"nesterov": False, "rms_rate": None, "ns_steps": 3, "momentum": 0.5}),
    ("Muon", {"muon_a": 3.0, "muon_b": -4.0, "muon_c": 2.0, "weight_decay": None}),
    ("ScheduleFreeAdamW", {"learning_rate": 0.1}),
    ("ScheduleFreeAdamW", {"warmup_steps": 4, "weight_decay": 0.1, "beta_1": 0.7}),
]


def keras_weight(name, options):
    variable = keras.Variable(WEIGHT)
    optimizer = getattr(keras.optimizers, name)(**options)
    for gradient in GRADIENTS:
        optimizer.apply([jnp.asarray(gradient)], [variable])
    return np.asarray(variable)


def lamina_weight(name, options):
    made = lamina.training.optimizers.definitions.OPTIMIZERS[name.lower()](**options)
    weights = {"w": jnp.asarray(WEIGHT)}
    state = made.init(weights)
    for gradient in GRADIENTS:
        updates, state = made.update({"w": jnp.asarray(gradient)}, state, weights)
        weights = optax.apply_updates(weights, updates)
    return np.asarray(weights["w"])


@pytest.mark.parametrize(("name", "options"), CASES)
def test_weights_after_some_steps_are_those_of_keras(name, options):
    expected = keras_weight(name, options)
    scale = np.abs(expected - WEIGHT).max()
    assert np.abs(lamina_weight(name, options) - expected).max() < 1e-4 * scale


def test_a_schedule_counts_batches_as_in_keras():
    options = {"gradient_accumulation_steps": 2}
    theirs = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    ours = tf.keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    expected = keras_weight("Adam", {"learning_rate": theirs, **options})
    found = lamina_weight("Adam", {"learning_rate": ours, **options})
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected - WEIGHT).max()


def test_a_scaled_loss_trains_the_same_weights():
    x, y = GRADIENTS[:, 0], GRADIENTS[:, 1, :1]
    found = []
    for scale in (None, 256.0):
        model = lamina.Sequential([lamina.layers.Dense(1, kernel_initializer="ones")])
        model.compile(tf.keras.optimizers.SGD(0.1, loss_scale_factor=scale), "mse")
        history = model.fit(x, y, epochs=2, verbose=0, shuffle=False).history
        found.append([*history["loss"], *model.get_weights()[0].ravel()])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"ema_overwrite_frequency": 0, **AVERAGES},
        {"gradient_accumulation_steps": 1.5},
        {"loss_scale_factor": -1.0},
    ],
)
def test_options_out_of_range_are_errors(options):
    with pytest.raises(InputError, match=next(iter(options))):
        tf.keras.optimizers.Adam(**options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"momentum": -1.0}),
        ("SGD", {"momentum": 2.0}),
        ("Lion", {"beta_1": -0.1}),
        ("Lion", {"beta_1": 0.0}),
        ("Lion", {"beta_1": 1.1}),
        ("Ftrl", {"initial_accumulator_value": -0.1}),
        ("Ftrl", {"learning_rate_power": 0.1}),
        ("Ftrl", {"l1_regularization_strength": -0.1}),
        ("Ftrl", {"l2_regularization_strength": -0.1}),
        ("Ftrl", {"l2_shrinkage_regularization_strength": -0.1}),
        ("Muon", {"exclude_layers": "head"}),
        ("Muon", {"exclude_layers": ["dense_[0-9]*"]}),
    ],
)
def test_options_that_keras_refuses_are_errors(name, options):
    with pytest.raises(InputError, match=next(iter(options))):
        getattr(tf.keras.optimizers, name)(**options)


def test_the_learning_rate_is_read_and_assigned():
    model = lamina.Sequential([lamina.Input((3,)), lamina.layers.Dense(1)])
    model.compile(tf.keras.optimizers.Adam(0.25), "mse")
    assert model.optimizer.learning_rate.numpy() == np.float32(0.25)
    assert model.optimizer.learning_rate.value == np.float32(0.25)
    model.optimizer.learning_rate.assign(0.5)
    assert model.optimizer.learning_rate == 0.5


def test_a_learning_rate_may_be_a_function_without_arguments():
    def steps(optimizer):
        model = lamina.Sequential([lamina.Input((1,)), lamina.layers.Dense(1, use_bias=False)])
        model.set_weights([np.ones((1, 1))])
        model.compile(optimizer, "mse")
        model.fit(np.ones((4, 1)), np.zeros((4, 1)), epochs=3, verbose=0)
        return model.get_weights()[0]

    sgd = tf.keras.optimizers.SGD
    for options in ({}, {"gradient_accumulation_steps": 2}):
        changed = steps(sgd(learning_rate=lambda: 0.25, **options))
        np.testing.assert_array_equal(changed, steps(sgd(learning_rate=0.25, **options)))


def test_decay_is_ignored_with_a_warning_as_in_keras():
    with pytest.warns(UserWarning, match="decay"):
        optimizer = tf.keras.optimizers.Adam(0.01, decay=1e-6)
    assert "decay" not in optimizer.get_config()
    with pytest.raises(TypeError, match="lr"):
        tf.keras.optimizers.Adam(lr=0.01)
