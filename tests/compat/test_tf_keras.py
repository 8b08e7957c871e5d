"""Optimizers, schedules and metrics under `tf.keras`, against Keras."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest

import lamina
from lamina.compat import tf
from lamina.compat.tf.keras import layers
from lamina.compat.tf.keras.layers import Dense
from lamina.errors import TraceError

OPTIMIZERS = [
    ("SGD", {}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "clipvalue": 0.5}),
    ("Adam", {}),
    ("Adam", {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.9, "clipnorm": 0.5}),
    ("AdamW", {"learning_rate": 0.05, "weight_decay": 0.1}),
    ("Adamax", {"learning_rate": 0.05}),
    ("RMSprop", {"learning_rate": 0.05}),
    ("RMSprop", {"learning_rate": 0.05, "momentum": 0.5, "centered": True, "rho": 0.8}),
    ("Adagrad", {"learning_rate": 0.05}),
    ("Adadelta", {"learning_rate": 0.5, "global_clipnorm": 0.3}),
]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_an_optimizer_takes_the_steps_that_keras_takes(name, options):
    random = np.random.default_rng(0)
    weights = {"a": jnp.ones((3, 2)), "b": jnp.ones(4)}
    theirs = {path: keras.Variable(np.asarray(value)) for path, value in weights.items()}
    optimizer = getattr(tf.keras.optimizers, name)(**options)
    reference = getattr(keras.optimizers, name)(**options)
    state = optimizer.init(weights)
    for _ in range(5):
        slopes = {p: random.normal(size=w.shape).astype("float32") for p, w in weights.items()}
        updates, state = optimizer.update(slopes, state, weights)
        weights = optax.apply_updates(weights, updates)
        reference.apply([jnp.asarray(slopes[path]) for path in theirs], list(theirs.values()))
    for path, value in weights.items():
        np.testing.assert_allclose(value, theirs[path].value, rtol=1e-4, atol=1e-5)


SCHEDULES = [
    ("ExponentialDecay", (0.1, 10, 0.5), {}),
    ("ExponentialDecay", (0.1, 10, 0.5), {"staircase": True}),
    ("InverseTimeDecay", (0.1, 10, 0.5), {"staircase": True}),
    ("InverseTimeDecay", (0.1, 10, 0.5), {}),
    ("PolynomialDecay", (0.1, 10), {"power": 2.0}),
    ("CosineDecay", (0.1, 10), {"alpha": 0.1}),
    ("CosineDecay", (0.0, 10), {"warmup_target": 0.1, "warmup_steps": 5}),
    ("PiecewiseConstantDecay", ([3, 7], [0.1, 0.01, 0.001]), {}),
]


@pytest.mark.parametrize(("name", "given", "options"), SCHEDULES)
def test_a_schedule_gives_the_rates_that_keras_gives(name, given, options):
    ours = getattr(tf.keras.optimizers.schedules, name)(*given, **options)
    theirs = getattr(keras.optimizers.schedules, name)(*given, **options)
    for step in range(20):
        np.testing.assert_allclose(ours(jnp.asarray(step)), theirs(step), rtol=1e-5, atol=1e-8)


def test_a_schedule_of_ones_own_drives_an_optimizer():
    class Warmup(tf.keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            step = tf.cast(step, tf.float32)
            return tf.math.rsqrt(4.0) * tf.math.minimum(tf.math.rsqrt(step), step * 0.5)

    optimizer = tf.keras.optimizers.SGD(Warmup())
    state = optimizer.init(jnp.ones(()))
    steps = []
    for _ in range(3):
        update, state = optimizer.update(jnp.ones(()), state)
        steps.append(float(update))
    np.testing.assert_allclose(steps, [0, -0.25, -0.5 * 2**-0.5], rtol=1e-6)


def test_what_an_optimizer_does_not_take_is_an_error():
    with pytest.raises(TypeError, match="amsgrad"):
        tf.keras.optimizers.Adam(amsgrad=True)


def test_a_metric_keeps_a_running_state():
    mean = tf.keras.metrics.Mean(name="train_loss")
    assert mean.result() == 0
    assert mean(2.0) == 2
    mean.update_state([4.0, 6.0], sample_weight=[1.0, 0.0])
    assert mean.result() == 3 and mean.name == "train_loss"
    mean.reset_states()
    assert mean.result() == 0


def test_a_metric_serves_compile_and_knows_when_it_would_leak():
    accuracy = tf.keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    assert isinstance(accuracy, lamina.metrics.SparseCategoricalAccuracy)
    assert accuracy([1, 0], [[0.1, 0.9], [0.1, 0.9]]) == 0.5
    model = tf.keras.Sequential([tf.keras.layers.Dense(2)])
    model.compile(
        optimizer=tf.keras.optimizers.Adam(learning_rate=0.1),
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[tf.keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    history = model.fit(x, (x[:, 0] > 0).astype("int32"), epochs=20, verbose=0)
    assert history.history["accuracy"][-1] > 0.9
    with pytest.raises(TraceError, match="outlive"):
        jax.jit(lambda x: tf.keras.metrics.Mean().update_state(x))(1.0)


def test_namespaces_are_modules_too():
    assert layers.Dense is Dense is tf.keras.layers.Dense is lamina.layers.Dense
    assert tf.keras.models.Sequential is tf.keras.Sequential
    assert tf.losses is tf.keras.losses


def test_a_function_of_tf_as_an_activation_has_a_name():
    dense = Dense(2, activation=tf.nn.relu)
    assert repr(dense.activation).startswith("<function relu")
    assert (np.asarray(dense(-tf.ones((1, 3)))) >= 0).all()
    assert tf.nn.swish is tf.nn.silu and tf.tanh is tf.math.tanh is tf.nn.tanh
