"""Gradients of a tape against those of jax.grad."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.errors import InputError
from lamina.imperative import GradientTape, function
from tests.close import assert_close


class Net(lamina.Layer):
    """Layers with gradients of their own, loops and state."""

    def __init__(self):
        super().__init__()
        self.embedding = layers.Embedding(7, 4)
        self.gru = layers.GRU(4, return_sequences=True)
        self.conv = layers.Conv1D(4, 2, padding="same")
        self.attention = layers.MultiHeadAttention(1, 4)
        self.norm = layers.BatchNormalization()
        self.dense = layers.Dense(7, kernel_regularizer="l2")

    def call(self, x):
        x = self.conv(self.gru(self.embedding(x)))
        x = x + self.attention(x, x, use_causal_mask=True)
        return self.dense(self.norm(jax.nn.relu(x)))


IDS = np.random.default_rng(0).integers(0, 7, (2, 5))


def test_gradients_of_layers_are_those_of_jax_grad() -> None:
    net, loss = Net(), lamina.losses.SparseCategoricalCrossentropy(from_logits=True)
    net(IDS)
    values = net.values()
    with GradientTape() as tape:
        value = loss(IDS, net(IDS, training=True))
    found = tape.gradient(value, net.trainable_variables)

    def of(values):
        return loss(IDS, net.apply(values, IDS, training=True)[0])

    expected = jax.grad(of)(values)
    assert tape.watched_variables()
    for variable, gradient in zip(net.trainable_variables, found, strict=True):
        assert_close(gradient, expected[variable.path], 1e-5)
    assert not np.allclose(net.norm.moving_mean.numpy(), 0)  # state is assigned as without a tape


def test_gradients_within_compiled_functions() -> None:
    @jax.jit
    def slope(x):
        with GradientTape() as tape:
            tape.watch(x)
            y = jnp.sum(jnp.sin(x) * x)
        return tape.gradient(y, x)

    x = jnp.arange(3.0)
    assert_close(slope(x), jnp.cos(x) * x + jnp.sin(x))


def test_nested_tapes_give_second_derivatives() -> None:
    x = jnp.array([1.0, 2.0])
    with GradientTape() as outer:
        outer.watch(x)
        with GradientTape() as inner:
            inner.watch(x)
            y = jnp.sum(x**3)
        slope = inner.gradient(y, x)
        z = jnp.sum(slope**2)
    assert_close(outer.gradient(z, x), 36 * x**3)


def test_a_persistent_tape_records_its_own_gradients() -> None:
    x = jnp.array(2.0)
    with GradientTape(persistent=True) as tape:
        tape.watch(x)
        slope = tape.gradient(x**3, x)
    assert_close(tape.gradient(slope, x), 12.0)
    assert_close(tape.gradient(slope, x), 12.0)


def test_jacobians() -> None:
    x = jnp.arange(6.0).reshape(3, 2)
    with GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x**2
        z = y @ jnp.ones((2, 4))
    assert_close(tape.jacobian(z, x), jax.jacobian(lambda x: x**2 @ jnp.ones((2, 4)))(x))
    per_example = tape.batch_jacobian(z, x)
    assert per_example.shape == (3, 4, 2)
    assert_close(per_example, jnp.broadcast_to(2 * x[:, None, :], (3, 4, 2)))
    assert tape.jacobian(jnp.ones(2), x) is None
    with pytest.raises(InputError, match="one batch"):
        tape.batch_jacobian(z, x[:2])


def test_sources_that_are_not_connected() -> None:
    x, other = jnp.ones(2), jnp.ones(3)
    with GradientTape(persistent=True) as tape:
        tape.watch({"x": x, "other": other})
        y = x.sum()
        count = jnp.argmax(x)
    found = tape.gradient(y, {"x": x, "other": other, "unwatched": jnp.ones(1)})
    assert_close(found["x"], jnp.ones(2))
    assert found["other"] is None and found["unwatched"] is None
    zero = tape.gradient(y, [other], unconnected_gradients="zero")
    assert_close(zero[0], jnp.zeros(3))
    assert tape.gradient(count, x) is None  # integers have no gradient


def test_several_targets_and_given_gradients() -> None:
    x = jnp.array([1.0, 2.0])
    with GradientTape(persistent=True) as tape:
        tape.watch(x)
        y, z = x * 2, x * x
    assert_close(tape.gradient([y, z], x), 2 + 2 * x)
    seeds = [jnp.array([1.0, 0.0]), jnp.array([0.0, 3.0])]
    assert_close(tape.gradient([y, z], x, output_gradients=seeds), jnp.array([2.0, 12.0]))


def test_variables_are_watched_when_they_are_read() -> None:
    weight = lamina.Variable((), "ones").assign(3.0)
    frozen = lamina.Variable((), "ones", trainable=False).assign(2.0)
    with GradientTape(persistent=True) as tape:
        y = weight * frozen + weight.value
        weight.assign(5.0)  # the gradient is that of the values which were read
        y = y * weight
    assert tape.watched_variables() == (weight,)
    assert_close(tape.gradient(y, weight), 5 * 3.0 + 9.0)
    assert tape.gradient(y, frozen) is None
    with GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(frozen)
        y = weight * frozen
    assert tape.gradient(y, [weight, frozen])[0] is None


def test_recording_stops_and_starts_again() -> None:
    x = jnp.array(2.0)
    with GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * x
        with tape.stop_recording():
            z = x * y
        w = y + z
    assert_close(tape.gradient(w, x), 4.0)
    assert tape.gradient(z, x) is None
    tape.reset()
    assert tape.gradient(w, x) is None


def test_errors() -> None:
    x = jnp.array(2.0)
    with GradientTape() as tape:
        tape.watch(x)
        y = x * x
        with pytest.raises(InputError, match="recording already"):
            tape.__enter__()
        with pytest.raises(InputError, match="cannot watch"):
            tape.watch(jnp.array(1))
        with pytest.raises(InputError, match="cannot watch"):
            tape.watch(3.0)
    tape.gradient(y, x)
    with pytest.raises(InputError, match="persistent=True"):
        tape.gradient(y, x)
    with pytest.raises(InputError, match="not recording"), tape.stop_recording():
        pass
    with pytest.raises(ValueError, match="mine"), GradientTape() as tape:
        tape.watch(x)
        raise ValueError("mine")
    assert_close(jax.jit(lambda x: x + 1)(x), 3.0)  # the trace was left


OPERATIONS = {
    "the same array": lambda x: jnp.asarray(x).sum() * x[0, 1],
    "a program that returns its input": lambda x: jax.jit(lambda a: (a, a))(x)[1].sum(),
    "logsumexp": jax.nn.logsumexp,
    "fft": lambda x: jnp.abs(jnp.fft.fft(x)).sum(),
    "indices": lambda x: x[jnp.array([0, 1]), jnp.array([1, 0])].sum(),
    "rows": lambda x: x[np.array([True, False])].sum() + sum(row[0] * row[1] for row in x),
    "loops": lambda x: jax.lax.fori_loop(0, 2, lambda _, c: c * 1.5, x).sum(),
    "branches": lambda x: jax.lax.cond(True, lambda a: a * 2, lambda a: a, x).sum(),
    "inner gradients": lambda x: jax.grad(lambda a: (a**3).sum())(x).sum(),
    "no gradient": lambda x: (jax.lax.stop_gradient(x) * x).sum(),
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_gradients_of_operations(operation, compiled) -> None:
    def slope(x):
        with GradientTape() as tape:
            tape.watch(x)
            y = operation(x)
        return tape.gradient(y, x)

    x = jnp.array([[1.0, 2.0], [3.0, 4.0]])
    found = (function(slope) if compiled else slope)(x)
    assert_close(found, jax.grad(operation)(x), 1e-5)


def test_results_of_operations_are_sources_too() -> None:
    x = jnp.array([1.0, 2.0])
    with GradientTape() as tape:
        tape.watch(x)
        y = x * x
        same = jax.jit(lambda a: a)(y)
        z = (same * y).sum()
    found = tape.gradient(z, [x, y])
    assert_close(found[0], 4 * x**3)
    assert_close(found[1], 2 * y)
