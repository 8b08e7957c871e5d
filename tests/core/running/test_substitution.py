"""Arrays that stand in for weights: read inside, kept outside, and gradients through them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer, layers
from lamina.core.running.substitution import substituted
from tests.close import assert_close


class Scaled(Layer):
    """Calls a layer with its kernel times a factor, inside a scan if asked to."""

    def __init__(self, inner, factor=2.0, scanned=False):
        super().__init__()
        self.inner, self.factor, self.scanned = inner, factor, scanned

    def build(self, input_shape):
        self.inner.build(input_shape)

    def call(self, x):
        def inside(x):
            with substituted(self.inner.kernel, self.inner.kernel * self.factor):
                return self.inner(x)

        if not self.scanned:
            return inside(x)
        return jax.lax.scan(lambda carry, _: (carry, inside(x)), 0, jnp.arange(2))[1][1]


class Counting(layers.Dense):
    """A dense layer that counts its calls."""

    def build(self, input_shape):
        super().build(input_shape)
        self.calls = self.add_weight((), "zeros", trainable=False)

    def call(self, inputs):
        self.calls.assign_add(1.0)
        return super().call(inputs)


X = jnp.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize("scanned", [False, True])
def test_it_is_read_inside_and_nothing_is_assigned(scanned) -> None:
    layer = Scaled(layers.Dense(4), scanned=scanned)
    y = layer(X)
    kernel = layer.inner.kernel.value
    np.testing.assert_allclose(y, X @ (2 * kernel), rtol=1e-5)
    np.testing.assert_allclose(lamina.jit(layer)(X), y, rtol=1e-5)
    after = layer.apply(layer.values(), X)[1]
    np.testing.assert_array_equal(after["inner.kernel"], kernel)
    np.testing.assert_array_equal(layer.inner(X), X @ kernel + layer.inner.bias)


def test_gradients_flow_through_it() -> None:
    layer = Scaled(layers.Dense(4))
    layer.build(X)
    slopes = jax.grad(lambda values: layer.apply(values, X)[0].sum())(layer.values())
    np.testing.assert_allclose(slopes["inner.kernel"], 2 * X.sum(0)[:, None].repeat(4, 1))
    np.testing.assert_allclose(slopes["inner.bias"], 2)


def test_the_inner_layer_keeps_its_state_and_its_place() -> None:
    layer = Scaled(Counting(4))
    assert list(layer.plan(X).unused) == []
    layer(X)
    layer(X)
    assert layer.inner.calls.value == 2
    assert lamina.jit(layer)(X) is not None
    assert layer.inner.calls.value == 3


def test_one_may_stand_in_another() -> None:
    class Twice(Layer):
        def __init__(self):
            super().__init__()
            self.inner = layers.Dense(4)

        def build(self, input_shape):
            self.inner.build(input_shape)

        def call(self, x):
            kernel = self.inner.kernel
            with substituted(kernel, kernel.value * 2):
                doubled = self.inner(x)
                with substituted(kernel, kernel.value * 4):
                    return self.inner(x), doubled

    twice = Twice()
    twice.build(X, seed=0)
    eight, two = twice(X)
    np.testing.assert_array_equal(eight, 4 * two)  # powers of two are exact
    assert_close(two, X @ (2 * twice.inner.kernel.value), rtol=1e-6)


def test_outside_of_a_call_it_does_nothing() -> None:
    inner = layers.Dense(4)
    inner(X)
    with substituted(inner.kernel, jnp.zeros((3, 4))):
        assert (inner(X) != 0).any()
