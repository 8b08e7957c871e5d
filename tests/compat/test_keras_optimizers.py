"""`keras.optimizers` and `model.optimizer`, against Keras."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest

from lamina.compat import keras as ours
from lamina.errors import InputError, StateError, UnknownNameError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


def net(library):
    inputs = library.Input((3,))
    return library.Model(inputs, library.layers.Dense(1, kernel_initializer="ones")(inputs))


def fit(model, **options):
    return model.fit(X, Y, batch_size=8, shuffle=False, verbose=0, **options).history["loss"]


def both(program):
    """The numbers of a program with either library."""
    mine, theirs = (np.hstack(list(map(np.ravel, program(one)))) for one in (ours, keras))
    np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=1e-6)
    return mine


def test_callbacks_read_and_write_the_learning_rate():
    def program(library):
        rates = []

        class Rates(library.callbacks.Callback):
            def on_train_batch_begin(self, batch, logs=None):
                self.model.optimizer.learning_rate = 0.01 * (batch + 1)

            def on_epoch_end(self, epoch, logs=None):
                rate = self.model.optimizer.learning_rate
                rates.append(float(library.ops.convert_to_numpy(rate)))
                rate.assign(rate * 0.1)

        optimizer = library.optimizers.Adam(0.5)
        rate, model = optimizer.learning_rate, net(library)
        model.compile(optimizer, "mse")
        losses = fit(model, epochs=2, callbacks=[Rates()])
        assert model.optimizer is optimizer
        return losses, rates, float(rate), int(optimizer.iterations)

    both(program)


def test_an_optimizer_keeps_its_state_outside_of_fit():
    def program(library):
        model, optimizer = net(library), library.optimizers.Adam(0.1)
        model.compile(optimizer, "mse")
        losses = fit(model)
        weights = model.trainable_variables
        gradients = [np.ones(one.shape, "float32") for one in weights]
        model.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        losses += fit(model)
        model.compile(optimizer, "mae")
        return *losses, *fit(model), int(optimizer.iterations), *model.get_weights()

    assert len(both(program)) == 8


def test_another_model_gets_an_optimizer_of_its_own():
    optimizer = ours.optimizers.SGD(0.1)
    first, second = net(ours), net(ours)
    first.compile(optimizer, "mse")
    fit(first)
    second.compile(optimizer, "mse")
    fit(second, epochs=2)
    assert (first.optimizer.iterations, second.optimizer.iterations) == (4, 8)


def test_variables_without_gradients_stay():
    def program(library):
        one, other = (library.Variable(np.ones(3, "float32")) for _ in range(2))
        optimizer = library.optimizers.Adam(0.1, weight_decay=0.1)
        gradient = np.ones(3, "float32")
        optimizer.apply([gradient, gradient], [one, other])
        with pytest.warns(UserWarning):
            optimizer.apply([None, gradient], [one, other])
        optimizer.apply([gradient], [one])
        with pytest.raises(ValueError, match=r"(?i)no gradient"):
            optimizer.apply([None, None], [one, other])
        return one, other, int(optimizer.iterations)

    both(program)


def test_weight_decay_leaves_variables_out():
    def program(library):
        model = net(library)
        optimizer = library.optimizers.AdamW(0.1, weight_decay=0.5)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        model.compile(optimizer, "mse")
        return *fit(model), *model.get_weights(), optimizer

    (*mine, optimizer), (*theirs, _) = program(ours), program(keras)
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5)
    with pytest.raises(StateError, match="before fit"):
        optimizer.exclude_from_weight_decay(var_names=["kernel"])


def test_scaled_gradients_are_divided():
    for optimizer in (
        ours.optimizers.LossScaleOptimizer(ours.optimizers.SGD(0.5), initial_scale=8.0),
        ours.optimizers.SGD(0.5, loss_scale_factor=8.0),
    ):
        variable = ours.Variable(np.ones(2, "float32"))
        optimizer.build([variable])
        assert optimizer.scale_loss(np.float32(2.0)) == 16.0
        optimizer.apply([np.full(2, 8.0, "float32")], [variable])
        assert variable.numpy().tolist() == [0.5, 0.5]


def test_a_schedule_counts_batches():
    def program(library):
        schedule = library.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
        optimizer = library.optimizers.SGD(0.5, gradient_accumulation_steps=2)
        optimizer.learning_rate = schedule
        model = net(library)
        model.compile(optimizer, "mse")
        return *fit(model), int(optimizer.iterations), float(optimizer.learning_rate)

    both(program)


def test_several_optimizers_divide_the_variables():
    def program(library):
        rest, biases = library.optimizers.Adam(0.01), library.optimizers.SGD(0.01)
        chosen = library.optimizers.OptimizerMap(rest, {".*bias": biases})
        optimizer = library.optimizers.MultiOptimizer(chosen)
        model = net(library)
        model.compile(optimizer, "mse")
        losses = fit(model)
        biases.learning_rate = 0.1
        return *losses, *fit(model), int(biases.iterations), *model.get_weights()

    both(program)


def test_names_and_configs():
    optimizers = ours.optimizers
    chosen = optimizers.OptimizerMap(optimizers.SGD(0.5), {".*bias": optimizers.Adam()})
    several = optimizers.deserialize(optimizers.serialize(optimizers.MultiOptimizer(chosen)))
    assert [type(one).__name__ for one in several.optimizers] == ["Adam", "SGD"]
    made = optimizers.deserialize(optimizers.serialize(optimizers.Adam(0.5, beta_1=0.8)))
    assert (made.learning_rate, made.beta_1) == (0.5, 0.8) and isinstance(made, optimizers.Adam)
    assert type(optimizers.get("RMSprop")) is optimizers.RMSprop and optimizers.get(None) is None
    schedule = optimizers.schedules.serialize(optimizers.schedules.CosineDecay(0.5, 10))
    assert optimizers.schedules.deserialize(schedule).decay_steps == 10
    with pytest.raises(UnknownNameError, match="adam"):
        optimizers.get("adan")
    with pytest.raises(InputError):
        optimizers.get(3)
    with pytest.raises(InputError, match="inner optimizer"):
        optimizers.LossScaleOptimizer(optimizers.SGD(), clipnorm=1.0)
    with pytest.raises(ImportError, match=r"keras\.optimizers\.Adam"):
        optimizers.legacy.Adam()
