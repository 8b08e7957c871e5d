"""Updates of weights of several shapes at once, against Keras."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras
import numpy as np
import optax
import pytest

import lamina
from lamina import layers
from lamina.compat import tf

RNG = np.random.default_rng(0)
SHAPES = {
    "bias": (4,),
    "embeddings": (5, 3),
    "filters": (2, 3, 4),
    "gain": (),
    "head": (6, 2),
    "kernel": (3, 7),
}
WEIGHTS = {name: RNG.normal(size=shape).astype("float32") for name, shape in SHAPES.items()}
GRADIENTS = [
    {name: RNG.normal(size=shape).astype("float32") for name, shape in SHAPES.items()}
    for _ in range(4)
]
CASES = [
    ("Adafactor", {"learning_rate": 0.1}),
    ("Ftrl", {"learning_rate": 0.1, "l1_regularization_strength": 0.1, "clipnorm": 1.0}),
    ("Muon", {"learning_rate": 0.1, "exclude_layers": ["head"], "adam_lr_ratio": 0.5}),
    ("Muon", {"learning_rate": 0.1, "exclude_embeddings": False, "adam_weight_decay": 0.1}),
    ("Muon", {"learning_rate": 0.1, "gradient_accumulation_steps": 2, "use_ema": True}),
    ("ScheduleFreeAdamW", {"learning_rate": 0.1, "warmup_steps": 3, "global_clipnorm": 2.0}),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_weights_after_some_steps_are_those_of_keras(name, options):
    variables = [keras.Variable(value, name=path) for path, value in WEIGHTS.items()]
    theirs = getattr(keras.optimizers, name)(**options)
    ours = getattr(tf.keras.optimizers, name)(**options)
    theirs.build(variables)

    @jax.jit
    def step(gradients, weights, state, their_weights, their_state):
        updates, state = ours.update(gradients, state, weights)
        theirs_now = theirs.stateless_apply(their_state, list(gradients.values()), their_weights)
        return optax.apply_updates(weights, updates), state, *theirs_now

    now = WEIGHTS, jax.jit(ours.init)(WEIGHTS), list(WEIGHTS.values()), theirs.variables
    now = (*now[:3], [np.asarray(variable) for variable in now[3]])
    for gradients in GRADIENTS:
        now = step(gradients, *now)
    for (path, found), expected in zip(now[0].items(), now[2], strict=True):
        change = np.abs(expected - WEIGHTS[path]).max()
        assert np.abs(found - expected).max() < 1e-4 * change, path


@pytest.mark.parametrize("name", ["adafactor", "ftrl", "muon", "schedulefreeadamw"])
def test_training_goes_on_from_a_checkpoint(name, tmp_path):
    x = RNG.normal(size=(16, 3)).astype("float32")
    y = x @ RNG.normal(size=(3, 2)).astype("float32")

    def compiled():
        lamina.set_seed(0)
        model = lamina.Sequential([layers.Dense(2)])
        model.build((None, 3))
        model.compile(name, "mse", learning_rate=0.1)
        return model

    whole, second = compiled(), compiled()
    options = {"checkpoint_dir": tmp_path, "resume": True}
    expected = whole.fit(x, y, 8, epochs=2, verbose=0, **options).history["loss"]
    expected += whole.fit(x, y, 8, initial_epoch=2, epochs=4, verbose=0).history["loss"]
    found = second.fit(x, y, 8, epochs=4, verbose=0, **options).history["loss"]
    assert found == expected and expected[-1] < expected[0]
    for ours, theirs in zip(whole.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
