"""The dynamic scale of the loss, against Keras."""

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
from lamina.errors import InputError
from lamina.training import NotFiniteError
from lamina.training.optimizers.loss_scale import loss_scale_of

RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(size=(3, 4)).astype("float32")
GRADIENTS = RNG.normal(size=(9, 3, 4)).astype("float32")
X = RNG.normal(size=(64, 4)).astype("float32")
Y = X.sum(1, keepdims=True)


def with_infinities(gradients, at):
    changed = gradients.copy()
    for index, value in at.items():
        changed[index, 0, 0] = value
    return changed


@pytest.mark.parametrize("at", [{}, {3: np.inf}, {0: np.nan, 5: -np.inf}, {2: np.nan, 3: np.nan}])
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_weights_and_scales_are_those_of_keras(name, at):
    gradients = with_infinities(GRADIENTS, at)
    theirs = keras.optimizers.LossScaleOptimizer(
        getattr(keras.optimizers, name)(0.1), initial_scale=8.0, dynamic_growth_steps=3
    )
    ours = tf.keras.optimizers.LossScaleOptimizer(
        getattr(tf.keras.optimizers, name)(0.1), initial_scale=8.0, dynamic_growth_steps=3
    )
    variable = keras.Variable(WEIGHT)
    theirs.build([variable])

    @jax.jit
    def step(gradient, scale, weight, state, their_weight, held):
        updates, state = ours.update({"w": gradient}, state, {"w": weight})
        weight = optax.apply_updates({"w": weight}, updates)["w"]
        (their_weight,), held = theirs.stateless_apply(held, [gradient * scale], [their_weight])
        return weight, state, their_weight, held

    state = jax.jit(ours.init)({"w": WEIGHT})
    held = [np.asarray(one) for one in theirs.variables]
    at_scale = next(i for i, one in enumerate(theirs.variables) if one is theirs.dynamic_scale)
    found = expected = WEIGHT
    for gradient in gradients:
        scale = np.float32(loss_scale_of(state))
        assert scale == float(held[at_scale])
        found, state, expected, held = step(gradient, scale, found, state, expected, held)
    size = np.abs(expected - WEIGHT).max()
    assert np.abs(found - expected).max() < 1e-4 * size


@pytest.mark.parametrize(
    "options", [{}, {"clipvalue": 0.01}, {"use_ema": True}, {"gradient_accumulation_steps": 2}]
)
def test_a_scaled_loss_trains_the_same_weights(options):
    found = []
    for scaled in (False, True):
        model = lamina.Sequential([layers.Dense(1, kernel_initializer="ones")])
        optimizer = tf.keras.optimizers.SGD(0.1)
        if scaled:
            optimizer = tf.keras.optimizers.LossScaleOptimizer(optimizer, dynamic_growth_steps=2)
        model.compile(optimizer, "mse", **options)
        history = model.fit(X, Y, epochs=2, verbose=0, shuffle=False).history
        found.append([*history["loss"], *model.get_weights()[0].ravel()])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


class Blowing(lamina.Layer):
    """The identity, whose gradient is multiplied by a factor."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, x):
        factor = self.factor

        @jax.custom_jvp
        def identity(x):
            return x

        identity.defjvp(lambda values, tangents: (values[0], tangents[0] * factor))
        return identity(x)


def test_a_step_whose_gradients_are_not_finite_is_skipped():
    optimizer = tf.keras.optimizers.LossScaleOptimizer(
        tf.keras.optimizers.SGD(0.1), initial_scale=2.0**15
    )
    lamina.set_seed(0)
    model = lamina.Sequential([layers.Dense(1), Blowing(2.0**126)])
    model.compile(optimizer, "mse")
    model.train_on_batch(X, Y)
    before = model.get_weights()
    model.train_on_batch(X, Y)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    program, carry = model.trainer.prepare(lambda: (X, Y))
    assert float(loss_scale_of(program.optimizer_state(carry))) == 2.0**13


def test_an_infinite_loss_is_an_error_in_any_case():
    model = lamina.Sequential([layers.Dense(1)])
    model.compile(tf.keras.optimizers.LossScaleOptimizer(tf.keras.optimizers.SGD(0.1)), "mse")
    with pytest.raises(NotFiniteError):
        model.train_on_batch(X, Y * np.inf)


@pytest.fixture
def policy():
    """Sets the policy of new layers until the end of the test."""
    yield lamina.set_dtype_policy
    lamina.set_dtype_policy("float32")


@pytest.mark.parametrize(("scaled", "trains"), [({}, True), ({"auto_scale_loss": False}, False)])
def test_small_gradients_of_float16_are_scaled(policy, scaled, trains):
    policy("mixed_float16")
    sigmoids = [layers.Dense(1, "sigmoid", False, "ones") for _ in range(15)]
    model = lamina.Sequential(sigmoids)
    model.compile(tf.keras.optimizers.SGD(1e9), "mse", **scaled)
    model.fit(np.ones((1, 1)), np.ones((1, 1)), verbose=0)
    assert (model.get_weights()[0].item() != 1.0) == trains


@pytest.mark.parametrize("name", ["float32", "mixed_bfloat16", "float16"])
def test_models_of_other_policies_are_not_scaled(policy, name):
    policy(name)
    model = lamina.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse", auto_scale_loss=True)
    program, carry = model.trainer.prepare(lambda: (X, Y))
    assert loss_scale_of(program.optimizer_state(carry)) is None


def test_a_config_a_file_and_the_learning_rate(tmp_path):
    optimizer = tf.keras.optimizers.LossScaleOptimizer(
        tf.keras.optimizers.Adam(0.25), initial_scale=4.0
    )
    config = optimizer.get_config()
    assert sorted(config) == ["dynamic_growth_steps", "initial_scale", "inner_optimizer", "name"]
    assert optimizer.from_config(config).get_config() == config
    model = lamina.Sequential([lamina.Input((4,)), layers.Dense(1)])
    model.compile(optimizer, "mse")
    assert model.optimizer.learning_rate == 0.25
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "model.lamina")
    loaded = lamina.load(tmp_path / "model.lamina")
    losses = [one.fit(X, Y, verbose=0, shuffle=False).history["loss"][0] for one in (model, loaded)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize(
    "options",
    [{"initial_scale": 0.0}, {"dynamic_growth_steps": 0}, {"inner_optimizer": "adam"}],
)
def test_options_out_of_range_are_errors(options):
    given = {"inner_optimizer": tf.keras.optimizers.SGD(), **options}
    with pytest.raises(InputError, match=next(iter(options))):
        tf.keras.optimizers.LossScaleOptimizer(**given)
