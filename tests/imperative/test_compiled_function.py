"""Functions that read and assign variables, compiled, against the same functions eagerly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.imperative import GradientTape, function
from lamina.training.optimizers.definitions import adam
from tests.close import assert_close

X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
Y = np.array([0, 1, 1, 0])


def trained(steps: int, compiled: bool):
    lamina.set_seed(0)
    net = lamina.Sequential(
        [layers.Dense(4, activation="relu"), layers.BatchNormalization(), layers.Dense(2)]
    )
    optimizer, mean = adam(0.01), lamina.metrics.Mean()
    loss_of = lamina.losses.SparseCategoricalCrossentropy(from_logits=True)
    traces = []

    def step(x, y):
        traces.append(1)
        with GradientTape() as tape:
            loss = loss_of(y, net(x, training=True))
        gradients = tape.gradient(loss, net.trainable_variables)
        optimizer.apply_gradients(zip(gradients, net.trainable_variables, strict=True))
        mean.update_state(loss)
        return loss

    run = function(step) if compiled else step
    losses = [float(run(X, Y)) for _ in range(steps)]
    return losses, net.values(), float(mean.result()), len(traces)


def test_steps_equal_those_without_compilation() -> None:
    losses, values, mean, _ = trained(3, compiled=False)
    found, compiled_values, compiled_mean, traces = trained(3, compiled=True)
    assert_close(np.array(found), np.array(losses), 1e-5)
    assert_close(np.array(compiled_mean), np.array(mean), 1e-5)
    for path, value in values.items():
        assert_close(compiled_values[path], value, 1e-4)
    assert traces < 6  # traced, not run in each step


def test_one_program_for_each_signature() -> None:
    seen = []

    @function
    def double(x, scale=1, flag=None):
        seen.append(scale)
        return {"y": x * scale, "flag": flag, "sizes": x.shape}

    found = double(X, scale=2, flag="a")
    assert_close(found["y"], 2 * X)
    assert (found["flag"], found["sizes"]) == ("a", (4, 3))
    count = len(seen)
    double(X + 1, scale=2, flag="a")
    assert len(seen) == count
    double(X, scale=3, flag="a")
    double(X[:2], scale=3, flag="a")
    double(jnp.asarray(X, jnp.int32), scale=3, flag="a")
    assert len(seen) == 4 * count
    assert double(X, scale=True)["y"].dtype == (X * True).dtype  # not the program of 1


def test_layers_are_built_in_the_first_trace() -> None:
    dense = layers.Dense(2)

    @function
    def run(x):
        return dense(x)

    assert_close(run(X), dense(X), 1e-5)
    dense.bias.assign([1.0, 2.0])
    assert_close(run(X), dense(X), 1e-5)


def test_methods_and_functions_within_functions() -> None:
    class Counter:
        def __init__(self):
            self.total = lamina.Variable((), "zeros").assign(0.0)

        @function
        def add(self, x):
            self.total.assign_add(x)
            return self.total.value

    one, two = Counter(), Counter()

    @function
    def both(x):
        return one.add(x), two.add(2 * x)

    assert [float(v) for v in both(jnp.array(1.0))] == [1.0, 2.0]
    assert float(one.add(jnp.array(1.0))) == 2.0
    assert float(one.total.value) == 2.0
    assert float(two.total.value) == 2.0


def test_it_can_be_traced_by_jax() -> None:
    @function
    def square(x):
        return x * x

    assert_close(jax.grad(square)(3.0 * jnp.ones(())), 6.0)
    x = jnp.array(3.0)
    with GradientTape() as tape:
        tape.watch(x)
        y = square(x)
    assert_close(tape.gradient(y, x), 6.0)


def test_nothing_is_assigned_after_an_error() -> None:
    total = lamina.Variable((), "zeros").assign(1.0)

    @function
    def run(x):
        total.assign(x)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        run(jnp.array(2.0))
    assert float(total.value) == 1.0
