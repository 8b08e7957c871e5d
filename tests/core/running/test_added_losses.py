"""Losses that layers add: they reach every kind of call, training, and copies."""

import copy

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest

import lamina
from lamina import Layer, Model, Sequential, Trainer, added_losses, layers, regularizers
from lamina.errors import InputError, LaminaError, TraceError
from tests.close import assert_close

X = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)), "float32")
Y = jnp.asarray(np.random.default_rng(1).normal(size=(4, 2)), "float32")


class Adding(Layer):
    """Adds the mean square of its inputs to the loss."""

    def call(self, inputs):
        self.add_loss(jnp.mean(inputs**2))
        return inputs


def make():
    lamina.set_seed(0)
    return Sequential(
        [
            layers.Dense(3, kernel_regularizer="l2", activity_regularizer="l1"),
            Adding(),
            layers.Dense(2, bias_initializer="ones", bias_regularizer=regularizers.L1(0.5)),
        ]
    )


def expected(values, x=X):
    hidden = x @ values["layers.0.kernel"] + values["layers.0.bias"]
    return (
        0.01 * jnp.abs(hidden).sum() / x.shape[0]
        + jnp.mean(hidden**2)
        + 0.01 * jnp.sum(values["layers.0.kernel"] ** 2)
        + 0.5 * jnp.abs(values["layers.2.bias"]).sum()
    )


def total(call):
    with added_losses() as added:
        call()
    return sum(added)


def test_calls_of_every_kind_give_the_same():
    model = make()
    model.build((None, 3))
    values = model.values()
    fast = lamina.jit(model)
    for call in (lambda: model(X), lambda: model.apply(values, X), lambda: fast(X)):
        np.testing.assert_allclose(total(call), expected(values), rtol=1e-5)
    fast(X)
    np.testing.assert_allclose(total(lambda: fast(X)), expected(values), rtol=1e-5)
    assert total(lambda: None) == 0


def test_gradients_flow_through_apply():
    model = make()
    model.build((None, 3))
    values = model.values()
    ours = jax.jit(jax.grad(lambda values: total(lambda: model.apply(values, X))))(values)
    theirs = jax.jit(jax.grad(expected))(values)
    for path, slope in ours.items():
        np.testing.assert_allclose(slope, theirs[path], rtol=1e-4, atol=1e-6)


def test_copies_and_files_add_the_same(tmp_path):
    model = make()
    model.build((None, 3))
    wanted = expected(model.values())
    np.testing.assert_allclose(total(lambda: copy.deepcopy(model)(X)), wanted, rtol=1e-5)
    model = Sequential([model[0], model[2]])
    wanted = total(lambda: model(X))
    model.save(tmp_path / "model.lamina")
    again = lamina.load(tmp_path / "model.lamina")
    np.testing.assert_allclose(total(lambda: again(X)), wanted, rtol=1e-5)


def test_what_is_frozen_is_not_penalised():
    model = make()
    model.build((None, 3))
    model.layers[0].trainable = False
    values = model.values()
    wanted = expected(values) - 0.01 * jnp.sum(values["layers.0.kernel"] ** 2)
    np.testing.assert_allclose(total(lambda: model(X)), wanted, rtol=1e-5)


def test_evaluate_tells_the_sum_as_keras_does():
    regular = {"kernel_regularizer": "l2", "activity_regularizer": "l1"}
    theirs = keras.Sequential([keras.layers.Dense(2, **regular)])
    ours = Sequential([layers.Dense(2, **regular)])
    theirs.build((None, 3))
    ours.build((None, 3))
    ours.set_values(dict(zip(ours.values(), theirs.get_weights(), strict=True)))
    for model in (theirs, ours):
        model.compile("sgd", "mse")
    want = theirs.evaluate(X, Y, verbose=0)
    np.testing.assert_allclose(ours.evaluate(X, Y, verbose=0), want, rtol=1e-5)


def test_a_step_follows_the_gradient_of_the_sum():
    model = make()
    model.build((None, 3))
    values = model.values()

    def loss(values):
        outputs = model.apply(values, X)[0]
        return jnp.mean((outputs - Y) ** 2) + expected(values)

    before, slopes = jax.jit(jax.value_and_grad(loss))(values)
    logs = Trainer(model, optax.sgd(0.1), "mse").step((X, Y))
    np.testing.assert_allclose(logs["loss"], before, rtol=1e-5)
    for path, value in model.values().items():
        np.testing.assert_allclose(value, values[path] - 0.1 * slopes[path], rtol=1e-4, atol=1e-6)


class OnlyAdding(Model):
    """A model whose only loss is what it adds."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, inputs):
        outputs = self.dense(inputs)
        self.add_loss(jnp.mean((outputs - 1) ** 2))
        return outputs


def test_a_model_may_train_on_nothing_but_what_it_adds():
    model = OnlyAdding()
    model.compile("adam")
    losses = model.fit(X, epochs=3, batch_size=4, verbose=0).history["loss"]
    assert losses[2] < losses[0]


class Own(OnlyAdding):
    def train_loss(self, batch):
        return jnp.zeros(()) * jnp.sum(self(batch))


def test_a_train_loss_of_ones_own_gets_them_added():
    model = Own()
    model.build((None, 3))
    outputs = model(X)
    logs = Trainer(model, "adam").step(X)
    np.testing.assert_allclose(logs["loss"], jnp.mean((outputs - 1) ** 2), rtol=1e-5)


def test_a_constraint_holds_after_each_step():
    model = Sequential([layers.Dense(2, kernel_constraint="non_neg", bias_constraint=jnp.abs)])
    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=1, verbose=0)
    assert all((value >= 0).all() for value in model.values().values())


class Rematerialised(Layer):
    def __init__(self):
        self.inner = Adding()

    def call(self, inputs):
        return lamina.checkpoint(self.inner)(inputs)


def test_checkpoint_carries_losses():
    layer = Rematerialised()
    layer.build((None, 3))
    assert_close(total(lambda: layer(X)), jnp.mean(X**2), rtol=1e-6)


class Scanned(Layer):
    def __init__(self):
        self.inner = Adding()

    def call(self, inputs):
        return jax.lax.scan(lambda carry, x: (carry, self.inner(x)), 0, inputs)[1]


class Misshapen(Layer):
    def call(self, inputs):
        self.add_loss(inputs)
        return inputs


def test_losses_that_cannot_be_added_are_refused():
    with pytest.raises(TraceError, match="adds a loss inside a JAX transform"):
        Scanned()(X)
    with pytest.raises(InputError, match="not a scalar"):
        Misshapen()(X)
    with pytest.raises(LaminaError, match="outside of a call"):
        Adding().add_loss(1.0)
